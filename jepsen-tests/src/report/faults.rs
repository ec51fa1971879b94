//! The faults: a strip with one row for each kind, and a table of all.

use super::{
    figure::{LEFT, Px, RIGHT, Time},
    words,
};
use crate::run::Fault;
use maud::{Markup, Render, html};

/// The height of a row of the strip.
const ROW: f64 = 18.0;
/// Faults of one kind at the same time lie in rows of their own, up to this many.
const ROWS_OF_KIND_MAX: usize = 4;
/// The width of a letter in the strip.
const LETTER: f64 = 5.9;
/// More are not listed.
const LISTED_MAX: usize = 200;

/// Where one fault is drawn.
struct Place<'a> {
    fault: &'a Fault,
    number: usize,
    row: usize,
    from: f64,
    to: f64,
    /// How far its name may reach.
    room_to: f64,
}

/// All faults above a timeline.
pub(super) struct Strip<'a> {
    /// Each kind with its first row and its number of rows.
    kinds: Vec<(&'a str, usize, usize)>,
    places: Vec<Place<'a>>,
    rows: usize,
}

impl<'a> Strip<'a> {
    pub(super) fn new(faults: &'a [Fault], time: &Time) -> Strip<'a> {
        let mut kinds: Vec<&str> = Vec::new();
        for fault in faults {
            if !kinds.contains(&fault.kind.as_str()) {
                kinds.push(&fault.kind);
            }
        }
        let mut strip = Strip { kinds: Vec::new(), places: Vec::new(), rows: 0 };
        for kind in kinds {
            strip.add_kind(kind, faults, time);
        }
        strip
    }

    fn add_kind(&mut self, kind: &'a str, faults: &'a [Fault], time: &Time) {
        let mut ends: Vec<f64> = Vec::new();
        // The last fault of each row, whose name may reach to the next.
        let mut last_of_row: Vec<Option<usize>> = vec![None; ROWS_OF_KIND_MAX];
        for (number, fault) in faults.iter().enumerate().filter(|(_, fault)| fault.kind == kind) {
            let from = time.x(fault.from_ns);
            let to = time.x(fault.to_ns.unwrap_or(time.end_ns())).max(from + 2.0);
            let free = ends.iter().position(|end| *end <= from);
            let row = free.unwrap_or(ends.len()).min(ROWS_OF_KIND_MAX - 1);
            if row == ends.len() {
                ends.push(to);
            }
            ends[row] = ends[row].max(to);
            if let Some(last) = last_of_row[row].replace(self.places.len()) {
                self.places[last].room_to = from;
            }
            self.places.push(Place { fault, number, row: self.rows + row, from, to, room_to: RIGHT });
        }
        self.kinds.push((kind, self.rows, ends.len()));
        self.rows += ends.len();
    }

    pub(super) fn height(&self) -> f64 {
        ROW * self.rows as f64
    }
}

impl Render for Strip<'_> {
    fn render(&self) -> Markup {
        html! {
            @for &(kind, row, rows) in &self.kinds {
                @let y = ROW * row as f64;
                line class="grid" x1=(Px(0.0)) x2=(Px(RIGHT)) y1=(Px(y + ROW * rows as f64)) y2=(Px(y + ROW * rows as f64)) {}
                text class="tick kind" x=(Px(LEFT - 8.0)) y=(Px(y + ROW * rows as f64 / 2.0 + 4.0)) text-anchor="end" {
                    (words::short(kind, 17))
                    title { (kind) }
                }
            }
            @for place in &self.places { (place) }
        }
    }
}

impl Render for Place<'_> {
    fn render(&self) -> Markup {
        let y = ROW * self.row as f64;
        let number = format!("F{}", self.number + 1);
        // What tells most and fits.
        let names = [self.fault.targets.join(", "), words::count(self.fault.targets.len(), "target"), number];
        let name = names.into_iter().find_map(|name| Some((self.place_of(&name)?, name)));
        html! {
            g {
                title { (words_of(self.number, self.fault)) }
                rect class="fault" x=(Px(self.from)) y=(Px(y + 3.0)) width=(Px(self.to - self.from)) height=(Px(ROW - 6.0)) rx="2" {}
                @if let Some(((class, x), name)) = name {
                    text class={ "target " (class) } x=(Px(x)) y=(Px(y + ROW / 2.0 + 3.5)) { (name) }
                }
            }
        }
    }
}

impl Place<'_> {
    /// Where a name fits: inside, or else beside.
    fn place_of(&self, name: &str) -> Option<(&'static str, f64)> {
        let width = name.chars().count() as f64 * LETTER + 8.0;
        if width <= self.to - self.from {
            Some(("inside", self.from + 4.0))
        } else if self.to + width <= self.room_to {
            Some(("beside", self.to + 4.0))
        } else {
            None
        }
    }
}

/// A fault in one line.
pub(super) fn words_of(number: usize, fault: &Fault) -> String {
    let end = match fault.to_ns {
        Some(to) => format!("to {} s", words::seconds(to)),
        None => "for good".to_owned(),
    };
    let detail = if fault.detail.is_empty() { String::new() } else { format!(" ({})", fault.detail) };
    format!(
        "F{}: {} {} from {} s {end}{detail}",
        number + 1,
        fault.kind,
        fault.targets.join(", "),
        words::seconds(fault.from_ns),
    )
}

/// All faults as a table, folded away.
pub(super) fn table(faults: &[Fault]) -> Markup {
    html! {
        @if !faults.is_empty() {
            details {
                summary { "All " (words::count(faults.len(), "fault")) ", in order" }
                div class="wide" { table {
                    thead { tr { th { "fault" } th { "kind" } th { "targets" } th class="n" { "began (s)" } th class="n" { "lasted" } th { "detail" } } }
                    tbody {
                        @for (number, fault) in faults.iter().enumerate().take(LISTED_MAX) {
                            tr {
                                td { "F" (number + 1) }
                                td { (fault.kind) }
                                td { (fault.targets.join(", ")) }
                                td class="n" { (words::seconds(fault.from_ns)) }
                                td class="n" { (lasted(fault)) }
                                td { (fault.detail) }
                            }
                        }
                    }
                } }
                @if faults.len() > LISTED_MAX {
                    p class="muted" { (words::thousands(faults.len() - LISTED_MAX)) " more are in run.json." }
                }
            }
        }
    }
}

/// How long a fault lasted.
pub(super) fn lasted(fault: &Fault) -> String {
    match fault.to_ns {
        Some(to) => words::duration(to.saturating_sub(fault.from_ns)),
        None => "for good".to_owned(),
    }
}
