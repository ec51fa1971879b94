//! How long clients waited: quantiles over time, on a logarithmic scale.

use super::{
    bins::{Bins, quantile},
    figure::{self, AXIS, Figure, Px, Time, px},
    operations::Operation,
    words,
};
use crate::{history::Outcome, run::Fault};
use maud::{Markup, Render, html};
use std::collections::BTreeSet;

const TOP: f64 = 10.0;
const BOTTOM: f64 = 250.0;
/// Nothing is drawn below: what took less is drawn here.
const NS_MIN: u64 = 1_000;

/// Quantiles in thousandths, with their class and name.
const QUANTILES: [(usize, &str, &str); 4] =
    [(500, "q50", "median"), (900, "q90", "90 %"), (990, "q99", "99 %"), (1000, "q100", "longest")];

/// Whole powers of ten that hold all latencies.
#[derive(Clone, Copy)]
struct Decades {
    low: u32,
    high: u32,
}

impl Decades {
    fn of(latencies: impl Iterator<Item = u64>) -> Decades {
        let (mut low, mut high) = (u64::MAX, 0);
        for latency in latencies {
            low = low.min(latency.max(NS_MIN));
            high = high.max(latency.max(NS_MIN));
        }
        if high == 0 {
            (low, high) = (NS_MIN, NS_MIN);
        }
        let low = low.ilog10();
        Decades { low, high: (high - 1).ilog10().max(low) + 1 }
    }

    fn y(self, ns: u64) -> f64 {
        let part = ((ns.max(NS_MIN) as f64).log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        BOTTOM - (BOTTOM - TOP) * part.clamp(0.0, 1.0)
    }

    fn grid(self) -> Markup {
        html! {
            @for power in self.low..=self.high {
                @let decade = 10u64.pow(power);
                (figure::horizontal(self.y(decade), Some(&round_duration(decade))))
                @if power < self.high && self.high - self.low <= 4 {
                    @for factor in [2, 5] {
                        @let label = (self.high - self.low <= 2).then(|| round_duration(factor * decade));
                        (figure::horizontal(self.y(factor * decade), label.as_deref()))
                    }
                }
            }
        }
    }
}

/// One digit and its unit.
fn round_duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} µs", ns / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{} s", words::thousands((ns / 1_000_000_000) as usize)),
    }
}

pub(super) fn figure(operations: &[Operation], faults: &[Fault], time: &Time) -> Markup {
    let bins = Bins::of(time);
    let mut committed = vec![Vec::new(); bins.len()];
    for operation in operations.iter().filter(|operation| operation.outcome == Outcome::Ok) {
        if let (Some(to), Some(latency)) = (operation.end_ns(), operation.latency_ns()) {
            committed[bins.at(to)].push(latency);
        }
    }
    committed.iter_mut().for_each(|latencies| latencies.sort_unstable());
    let decades = Decades::of(operations.iter().filter_map(Operation::latency_ns));
    let mut all: Vec<u64> = committed.concat();
    all.sort_unstable();
    let names = QUANTILES
        .iter()
        .filter_map(|&(per_mille, class, name)| {
            let last = committed.iter().rev().find_map(|latencies| quantile(latencies, per_mille))?;
            Some((class, name, decades.y(last)))
        })
        .collect();
    let body = html! {
        (time.bands(faults, TOP, BOTTOM))
        (decades.grid())
        (time.axis(TOP, BOTTOM))
        (figure::vertical_label("latency, logarithmic", TOP, BOTTOM))
        path class="mark info" d=(crosses(operations, time, decades)) {}
        @for (per_mille, class, _) in QUANTILES.iter().rev() {
            path class={ "line " (class) } d=(line(&committed, *per_mille, &bins, time, decades)) {}
        }
        (figure::line_names(names, BOTTOM))
        line class="axis" x1=(Px(LEFT_EDGE)) x2=(Px(LEFT_EDGE)) y1=(Px(TOP)) y2=(Px(BOTTOM)) {}
    };
    let of_all = |per_mille| quantile(&all, per_mille).map_or("none".to_owned(), words::duration);
    Figure {
        id: "latency",
        title: "Latency: how long clients waited",
        description: format!(
            "Lines of the median, the 90 % and 99 % quantiles and the longest latency of operations that have \
             happened, over time. Of all of them: median {}, 90 % {}, 99 % {}, longest {}.",
            of_all(500),
            of_all(900),
            of_all(990),
            of_all(1000),
        ),
        caption: html! {
            "From the invocation to " strong { "ok" } ", in pieces of " (words::duration(bins.length_ns()))
            ", where the operation ended; a line stops where nothing succeeded. Of all: median " (of_all(500))
            ", 90 % " (of_all(900)) ", 99 % " (of_all(990)) ", longest " (of_all(1000)) ". "
            span class="key info" { "×" } " is an operation whose client gave up without knowing (info)."
        },
        height: BOTTOM + AXIS,
        body,
    }
    .render()
}

const LEFT_EDGE: f64 = figure::LEFT;

/// One quantile over time: a point in the middle of each bin that has values, and a gap where one has none.
fn line(committed: &[Vec<u64>], per_mille: usize, bins: &Bins, time: &Time, decades: Decades) -> String {
    let mut data = String::new();
    let mut is_drawing = false;
    for (bin, latencies) in committed.iter().enumerate() {
        let Some(latency) = quantile(latencies, per_mille) else {
            is_drawing = false;
            continue;
        };
        let (x, y) = (time.x(bins.start_ns(bin).midpoint(bins.end_ns(bin))), decades.y(latency));
        if is_drawing {
            data.push_str(&format!("L{} {}", px(x), px(y)));
        } else {
            // The short stroke shows a point that has no neighbours.
            data.push_str(&format!("M{} {}h1", px(x), px(y)));
        }
        is_drawing = true;
    }
    data
}

/// A cross for each operation of unknown outcome; those at one place are one cross.
fn crosses(operations: &[Operation], time: &Time, decades: Decades) -> String {
    let unknown = operations.iter().filter(|operation| operation.outcome == Outcome::Unknown);
    let places: BTreeSet<(i64, i64)> = unknown
        .filter_map(|operation| Some((time.x(operation.end_ns()?), decades.y(operation.latency_ns()?))))
        .map(|(x, y)| ((x / 3.0).round() as i64 * 3, (y / 3.0).round() as i64 * 3))
        .collect();
    places.iter().map(|(x, y)| format!("M{} {}l6 6m-6 0l6-6", x - 3, y - 3)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decades_hold_the_shortest_and_the_longest() {
        let decades = Decades::of([0, 30_000, 2_000_000_000].into_iter());
        assert_eq!((decades.low, decades.high), (3, 10));
        assert_eq!(decades.y(0), BOTTOM);
        assert_eq!(decades.y(10_000_000_000), TOP);
    }

    #[test]
    fn one_latency_has_a_scale() {
        let decades = Decades::of([1_000_000].into_iter());
        assert!(decades.high > decades.low);
        let none = Decades::of([].into_iter());
        assert!(none.high > none.low);
    }
}
