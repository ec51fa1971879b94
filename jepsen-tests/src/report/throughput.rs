//! How many operations ended per second, by outcome.

use super::{
    bins::Bins,
    figure::{self, AXIS, Figure, LEFT, Time, px},
    operations::{self, Operation},
    words,
};
use crate::{history::Outcome, run::Fault};
use maud::{Markup, Render, html};

/// The upper plot, of what has happened.
const DONE: Plot = Plot { top: 10.0, bottom: 170.0, shows: &[Outcome::Ok] };
/// The lower plot, with a scale of its own: failures are few beside what succeeds.
const NOT_DONE: Plot = Plot { top: 190.0, bottom: 270.0, shows: &[Outcome::Fail, Outcome::Unknown] };

/// One of two plots above each other.
struct Plot {
    top: f64,
    bottom: f64,
    shows: &'static [Outcome],
}

impl Plot {
    fn body(&self, rates: &[Vec<f64>; 3], bins: &Bins, time: &Time) -> Markup {
        let of = |outcome: Outcome| &rates[outcome as usize];
        let peak = self.shows.iter().flat_map(|&outcome| of(outcome)).copied().fold(0.0, f64::max);
        let lines_max = (self.bottom - self.top) / 40.0;
        let step = figure::step_at_least((peak / lines_max).max(0.1));
        let top_rate = (peak / step).ceil().max(1.0) * step;
        let y = |rate: f64| self.bottom - (self.bottom - self.top) * rate / top_rate;
        let last = |outcome: Outcome| y(of(outcome).last().copied().unwrap_or(0.0));
        let names = self.shows.iter().map(|&o| (operations::name(o), operations::name(o), last(o))).collect();
        html! {
            @for tick in 0..=(top_rate / step).round() as u64 {
                @let rate = tick as f64 * step;
                (figure::horizontal(y(rate), Some(&figure::number(rate))))
            }
            @for &outcome in self.shows {
                @let line = steps(of(outcome), bins, time, y);
                @if outcome == Outcome::Ok {
                    path class="area ok" d={ (line) "V" (px(self.bottom)) "H" (px(LEFT)) "Z" } {}
                }
                path class={ "line " (operations::name(outcome)) } d=(line) {}
            }
            (figure::line_names(names, self.bottom))
        }
    }
}

pub(super) fn figure(operations: &[Operation], faults: &[Fault], time: &Time) -> Markup {
    let bins = Bins::of(time);
    let rates = rates(operations, &bins);
    let peak = |outcome: Outcome| {
        figure::number(rates[outcome as usize].iter().copied().fold(0.0, f64::max).round())
    };
    let ended = operations.iter().filter(|operation| operation.completion.is_some()).count();
    Figure {
        id: "throughput",
        title: "Throughput: how many operations ended",
        description: format!(
            "Step lines of operations that ended per second, one for each outcome, over {} from {} s to {} s. At most \
             {} ok, {} fail and {} info per second.",
            words::duration(time.length_ns()),
            words::seconds(time.begin_ns()),
            words::seconds(time.end_ns()),
            peak(Outcome::Ok),
            peak(Outcome::Fail),
            peak(Outcome::Unknown),
        ),
        caption: html! {
            "Each step is " (words::duration(bins.length_ns())) "; operations count where they ended ("
            (words::thousands(ended)) " did). The lower plot has a scale of its own. Grey bands are faults, as in the timeline."
        },
        height: NOT_DONE.bottom + AXIS,
        body: html! {
            (time.bands(faults, DONE.top, NOT_DONE.bottom))
            (time.axis(DONE.top, NOT_DONE.bottom))
            (figure::vertical_label("operations per second", DONE.top, NOT_DONE.bottom))
            (DONE.body(&rates, &bins, time))
            (NOT_DONE.body(&rates, &bins, time))
        },
    }
    .render()
}

/// Operations per second of each outcome, in the order of [`operations::OUTCOMES`].
fn rates(operations: &[Operation], bins: &Bins) -> [Vec<f64>; 3] {
    let mut rates = [(); 3].map(|()| vec![0.0; bins.len()]);
    for operation in operations {
        if let Some(to) = operation.end_ns() {
            rates[operation.outcome as usize][bins.at(to)] += 1.0;
        }
    }
    for of_outcome in &mut rates {
        for (bin, rate) in of_outcome.iter_mut().enumerate() {
            *rate /= bins.seconds(bin);
        }
    }
    rates
}

/// The data of a path that keeps its height during each bin.
fn steps(rates: &[f64], bins: &Bins, time: &Time, y: impl Fn(f64) -> f64) -> String {
    let mut data = format!("M{} {}", px(time.x(bins.start_ns(0))), px(y(rates[0])));
    for (bin, &rate) in rates.iter().enumerate() {
        data.push_str(&format!("V{}H{}", px(y(rate)), px(time.x(bins.end_ns(bin)))));
    }
    data
}
