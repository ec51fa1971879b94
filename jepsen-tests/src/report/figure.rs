//! What all figures share: their frame, the axis of time, grids, and the bands of the faults.
//!
//! All of them have the same left and right edge, so that a moment is at the same place in each.

use super::words;
use crate::{history::History, run::Fault};
use maud::{Markup, Render, html};

/// The width of every figure, in its own units, which are pixels on a wide screen.
pub(super) const WIDTH: f64 = 1100.0;
/// Where the plots begin: left of it is room for the names of rows.
pub(super) const LEFT: f64 = 112.0;
/// Where the plots end: right of it is room for the names of lines.
pub(super) const RIGHT: f64 = 1036.0;
/// The room below a plot for its axis of time.
pub(super) const AXIS: f64 = 44.0;

/// A length or place, written with one digit: a tenth of a pixel.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub(super) struct Px(pub(super) f64);

impl Render for Px {
    fn render_to(&self, buffer: &mut String) {
        buffer.push_str(&px(self.0));
    }
}

/// A length or place as a text, for the data of a path.
pub(super) fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// One figure with all that a reader needs to read it.
pub(super) struct Figure<'a> {
    /// Unique in the page.
    pub(super) id: &'a str,
    /// The heading.
    pub(super) title: &'a str,
    /// What a reader who can't see it should know.
    pub(super) description: String,
    /// How to read it, and what was left out.
    pub(super) caption: Markup,
    /// In the same units as [`WIDTH`].
    pub(super) height: f64,
    /// What is in it.
    pub(super) body: Markup,
}

impl Render for Figure<'_> {
    fn render(&self) -> Markup {
        let (title, description) = (format!("{}-title", self.id), format!("{}-description", self.id));
        let view = format!("0 0 {} {}", px(WIDTH), px(self.height));
        html! {
            figure id=(self.id) {
                h3 id=(title) { (self.title) }
                svg viewBox=(view) role="img" aria-labelledby={ (title) " " (description) } {
                    desc id=(description) { (self.description) }
                    (self.body)
                }
                figcaption { (self.caption) }
            }
        }
    }
}

/// The axis of time: moments of the history's clock, and where they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    from_ns: u64,
    to_ns: u64,
}

impl Time {
    /// From the first to the last moment of which anything is known. At least a microsecond, so that it has a scale.
    pub(super) fn of(history: &History, faults: &[Fault]) -> Time {
        let events = history.events.iter().map(|event| event.time_ns);
        let begins = faults.iter().map(|fault| fault.from_ns);
        let ends = faults.iter().filter_map(|fault| fault.to_ns);
        let from_ns = events.clone().chain(begins.clone()).min().unwrap_or(0);
        let to_ns = events.chain(begins).chain(ends).max().unwrap_or(0);
        // A clock that has just begun is shown from its beginning.
        Time::between(if from_ns < to_ns / 20 { 0 } else { from_ns }, to_ns)
    }

    /// A window of the clock.
    pub(super) fn between(from_ns: u64, to_ns: u64) -> Time {
        Time { from_ns, to_ns: to_ns.max(from_ns.saturating_add(1_000)) }
    }

    pub(super) fn begin_ns(&self) -> u64 {
        self.from_ns
    }

    pub(super) fn end_ns(&self) -> u64 {
        self.to_ns
    }

    pub(super) fn length_ns(&self) -> u64 {
        self.to_ns - self.from_ns
    }

    /// Where a moment is; one outside is at the edge.
    pub(super) fn x(&self, ns: u64) -> f64 {
        let part = ns.clamp(self.from_ns, self.to_ns) - self.from_ns;
        LEFT + (RIGHT - LEFT) * part as f64 / self.length_ns() as f64
    }

    /// The axis below a plot, with lines up through it.
    pub(super) fn axis(&self, top: f64, bottom: f64) -> Markup {
        let (unit_ns, unit) = match self.length_ns() {
            0..10_000 => (1.0, "ns"),
            10_000..10_000_000 => (1e3, "µs"),
            10_000_000..10_000_000_000 => (1e6, "ms"),
            _ => (1e9, "s"),
        };
        let step = step_at_least(self.length_ns() as f64 / unit_ns / 12.0);
        let first = (self.from_ns as f64 / unit_ns / step).ceil() as u64;
        let last = (self.to_ns as f64 / unit_ns / step).floor() as u64;
        html! {
            @for tick in first..=last {
                @let at = tick as f64 * step;
                @let x = Px(self.x((at * unit_ns).round() as u64));
                line class="grid" x1=(x) x2=(x) y1=(Px(top)) y2=(Px(bottom)) {}
                text class="tick" x=(x) y=(Px(bottom + 15.0)) text-anchor="middle" { (number(at)) }
            }
            line class="axis" x1=(Px(LEFT)) x2=(Px(RIGHT)) y1=(Px(bottom)) y2=(Px(bottom)) {}
            text class="label" x=(Px((LEFT + RIGHT) / 2.0)) y=(Px(bottom + 34.0)) text-anchor="middle" {
                "time on the clock of the history (" (unit) ")"
            }
        }
    }

    /// The faults as bands behind a plot. Those that overlap or touch are one band.
    pub(super) fn bands(&self, faults: &[Fault], top: f64, bottom: f64) -> Markup {
        let mut spans: Vec<(f64, f64)> = faults
            .iter()
            .map(|fault| {
                let from = self.x(fault.from_ns);
                (from, self.x(fault.to_ns.unwrap_or(self.to_ns)).max(from + 1.0))
            })
            .collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut bands: Vec<(f64, f64)> = Vec::new();
        for (from, to) in spans {
            match bands.last_mut() {
                Some(band) if from <= band.1 => band.1 = band.1.max(to),
                _ => bands.push((from, to)),
            }
        }
        html! {
            @for (from, to) in bands {
                rect class="band" x=(Px(from)) y=(Px(top)) width=(Px(to - from)) height=(Px(bottom - top)) {}
            }
        }
    }
}

/// The name of the vertical axis, turned along it.
pub(super) fn vertical_label(text: &str, top: f64, bottom: f64) -> Markup {
    let middle = (top + bottom) / 2.0;
    html! {
        text class="label" text-anchor="middle" transform={ "translate(14 " (Px(middle)) ") rotate(-90)" } { (text) }
    }
}

/// One line across the plot with its value on the left.
pub(super) fn horizontal(y: f64, label: Option<&str>) -> Markup {
    html! {
        line class="grid" x1=(Px(LEFT)) x2=(Px(RIGHT)) y1=(Px(y)) y2=(Px(y)) {}
        @if let Some(label) = label {
            text class="tick" x=(Px(LEFT - 8.0)) y=(Px(y + 3.5)) text-anchor="end" { (label) }
        }
    }
}

/// Names at the right ends of lines, moved apart where they would cover each other. Given: class, name, and height of
/// each line.
pub(super) fn line_names(mut names: Vec<(&str, &str, f64)>, bottom: f64) -> Markup {
    const APART: f64 = 13.0;
    names.sort_by(|a, b| b.2.total_cmp(&a.2));
    let mut above = bottom + APART;
    for name in &mut names {
        name.2 = name.2.min(above - APART);
        above = name.2;
    }
    html! {
        @for (class, name, y) in names {
            text class={ "name " (class) } x=(Px(RIGHT + 6.0)) y=(Px(y + 4.0)) { (name) }
        }
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `least`.
pub(super) fn step_at_least(least: f64) -> f64 {
    let least = least.max(1e-9);
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= least * 0.999_999)
        .unwrap_or(10.0 * power)
}

/// A number on an axis, without digits that say nothing.
pub(super) fn number(value: f64) -> String {
    if value.fract().abs() < 1e-6 {
        return words::thousands(value.round() as usize);
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        assert_eq!(step_at_least(0.9), 1.0);
        assert_eq!(step_at_least(1.1), 2.0);
        assert_eq!(step_at_least(23.0), 50.0);
        assert_eq!(step_at_least(60.0), 100.0);
    }

    #[test]
    fn moments_outside_a_window_are_at_its_edge() {
        let time = Time::between(1_000_000, 2_000_000);
        assert_eq!(time.x(0), LEFT);
        assert_eq!(time.x(1_500_000), (LEFT + RIGHT) / 2.0);
        assert_eq!(time.x(u64::MAX), RIGHT);
    }

    #[test]
    fn an_empty_history_has_a_scale() {
        let time = Time::of(&History::default(), &[]);
        assert!(time.length_ns() > 0);
    }

    #[test]
    fn names_of_lines_do_not_cover_each_other() {
        let text =
            line_names(vec![("a", "A", 50.0), ("b", "B", 51.0), ("c", "C", 49.0)], 100.0).into_string();
        for y in ["y=\"55\"", "y=\"42\"", "y=\"29\""] {
            assert!(text.contains(y), "{y} is not in {text}");
        }
    }
}
