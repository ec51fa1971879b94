//! How many operations ended per second, by outcome.

use super::{
    bins::Bins,
    figure::{self, AXIS, Figure, Time, px},
    operations::{Operation, Outcome},
    words,
};
use crate::run::Fault;
use maud::{Markup, Render, html};

const TOP: f64 = 10.0;
const BOTTOM: f64 = 200.0;

pub(super) fn figure(operations: &[Operation], faults: &[Fault], time: &Time) -> Markup {
    let bins = Bins::of(time);
    let rates = rates(operations, &bins);
    let peak = rates.iter().flatten().copied().fold(0.0, f64::max);
    let step = figure::step_at_least(peak / 4.0);
    let top_rate = (peak / step).ceil().max(1.0) * step;
    let y = |rate: f64| BOTTOM - (BOTTOM - TOP) * rate / top_rate;
    let shown: Vec<Outcome> =
        Outcome::ALL.into_iter().filter(|&o| rates[o as usize].iter().any(|&r| r > 0.0)).collect();
    let names =
        shown.iter().map(|&o| (o.name(), o.name(), y(*rates[o as usize].last().unwrap_or(&0.0)))).collect();
    let body = html! {
        (time.bands(faults, TOP, BOTTOM))
        @for tick in 0..=(top_rate / step).round() as u64 {
            (figure::horizontal(y(tick as f64 * step), Some(&figure::number(tick as f64 * step))))
        }
        (time.axis(TOP, BOTTOM))
        (figure::vertical_label("operations per second", TOP, BOTTOM))
        @for &outcome in &shown {
            @let line = steps(&rates[outcome as usize], &bins, time, y);
            @if outcome == Outcome::Ok {
                path class="area ok" d={ (line) "V" (px(BOTTOM)) "H" (px(time.x(time.from_ns()))) "Z" } {}
            }
            path class={ "line " (outcome.name()) } d=(line) {}
        }
        (figure::line_names(names, BOTTOM))
    };
    let ended = operations.iter().filter(|o| o.completion.is_some()).count();
    Figure {
        id: "throughput",
        title: "Throughput: how many operations ended",
        description: format!(
            "Step lines of operations that ended per second, one for each outcome, over {} from {} s to {} s. The \
             highest is {} per second.",
            words::duration(time.length_ns()),
            words::seconds(time.from_ns()),
            words::seconds(time.to_ns()),
            figure::number(peak.round()),
        ),
        caption: html! {
            "Each step is " (words::duration(bins.length_ns())) "; operations count where they ended ("
            (words::thousands(ended)) " did). Grey bands are faults, as in the timeline."
        },
        height: BOTTOM + AXIS,
        body,
    }
    .render()
}

/// Operations per second of each outcome, in the order of [`Outcome::ALL`].
fn rates(operations: &[Operation], bins: &Bins) -> [Vec<f64>; 3] {
    let mut rates = [(); 3].map(|()| vec![0.0; bins.len()]);
    for operation in operations {
        if let Some(to) = operation.to_ns() {
            rates[operation.outcome() as usize][bins.at(to)] += 1.0;
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
