//! Every operation in the row of its client, with the faults above and behind them.
//!
//! No operation is left out: those of one outcome that are closer than a pixel are drawn as one bar, so that the size
//! of the figure follows from its area and not from the length of the history.

use super::{
    cases::Case,
    faults::Strip,
    figure::{self, AXIS, Figure, LEFT, Px, Time, px},
    operations::{self, OUTCOMES, Operation, Rows},
    words,
};
use crate::{history::Outcome, run::Fault};
use maud::{Markup, Render, html};

/// More rows are not drawn, except those of anomalies.
const ROWS_MAX: usize = 160;
/// Up to here each operation is a bar of its own that tells about itself.
const OPERATIONS_ALONE_MAX: usize = 1500;
/// Bars of one outcome with less between them are one, in pixels.
const GAP_MIN: f64 = 0.7;
/// Marks of anomalies above the rows.
const MARKS: f64 = 22.0;

/// Rows that are drawn, and where.
struct Layout {
    /// The place among those drawn, for each row of [`Rows`].
    places: Vec<Option<usize>>,
    drawn: usize,
    top: f64,
    height: f64,
}

impl Layout {
    fn new(rows: &Rows, cases: &[Case], top: f64) -> Layout {
        let mut wanted = vec![false; rows.len()];
        for operation in cases.iter().flat_map(|case| &case.operations) {
            wanted[rows.of(operation.process)] = true;
        }
        let others_max = ROWS_MAX.saturating_sub(wanted.iter().filter(|wanted| **wanted).count());
        let others = (0..rows.len()).filter(|&row| !wanted[row]).take(others_max).collect::<Vec<_>>();
        others.into_iter().for_each(|row| wanted[row] = true);
        let mut drawn = 0;
        let places = wanted
            .into_iter()
            .map(|wanted| {
                drawn += usize::from(wanted);
                wanted.then(|| drawn - 1)
            })
            .collect();
        Layout { places, drawn, top, height: (400.0 / drawn.max(1) as f64).clamp(5.0, 18.0) }
    }

    fn bottom(&self) -> f64 {
        self.top + self.height * self.drawn as f64
    }

    /// The top of a row that is drawn.
    fn y(&self, row: usize) -> Option<f64> {
        self.places[row].map(|place| self.top + self.height * place as f64)
    }

    /// How far the bar of an outcome is from the edges of its row: the common one is the thinnest.
    fn margin(&self, outcome: Outcome) -> f64 {
        match outcome {
            Outcome::Ok => self.height * 0.24,
            Outcome::Fail | Outcome::Unknown => self.height * 0.1,
        }
    }
}

pub(super) fn figure(operations: &[Operation], faults: &[Fault], cases: &[Case], time: &Time) -> Markup {
    let strip = Strip::new(faults, time);
    let rows = Rows::new(operations);
    let marks = if cases.is_empty() { 6.0 } else { MARKS };
    let layout = Layout::new(&rows, cases, strip.height() + marks);
    let bottom = layout.bottom();
    let body = html! {
        (time.bands(faults, 0.0, bottom))
        (strip)
        (time.axis(layout.top, bottom))
        (row_names(&rows, &layout))
        (figure::vertical_label("client", layout.top, bottom))
        @if operations.len() <= OPERATIONS_ALONE_MAX {
            @for operation in operations { (bar(operation, &rows, &layout, time)) }
        } @else {
            @for outcome in OUTCOMES { (bars(operations, outcome, &rows, &layout, time)) }
        }
        @for case in cases { (mark(case, &rows, &layout, time)) }
    };
    let hidden = rows.len() - layout.drawn;
    Figure {
        id: "timeline",
        title: "Timeline: every operation of every client",
        description: format!(
            "{} of {} in {}, each as a bar from its invocation to its completion, below {}. {} marked.",
            words::count(operations.len(), "operation"),
            words::count(rows.len(), "client"),
            words::count(layout.drawn, "row"),
            words::count(faults.len(), "fault"),
            words::count(cases.len(), "anomaly"),
        ),
        caption: caption(operations.len(), cases, hidden),
        height: bottom + AXIS,
        body,
    }
    .render()
}

fn caption(operations: usize, cases: &[Case], hidden: usize) -> Markup {
    html! {
        span class="legend" {
            @for outcome in OUTCOMES {
                span { span class={ "swatch " (operations::name(outcome)) } {} (operations::meaning(outcome)) }
            }
            @if !cases.is_empty() { span { span class="swatch bad" {} "part of an anomaly" } }
        }
        "A row is one client: after an unknown outcome it goes on under a new process number. "
        @if operations > OPERATIONS_ALONE_MAX {
            "Operations of one outcome that are closer than a pixel are drawn as one bar; none is left out. "
        } @else {
            "Point at a bar to see its operation. "
        }
        @if hidden > 0 {
            (words::count(hidden, "client")) " without anomalies are not drawn for lack of room. "
        }
    }
}

/// The numbers of the rows, as many as are legible.
fn row_names(rows: &Rows, layout: &Layout) -> Markup {
    let every = (11.0 / layout.height).ceil() as usize;
    html! {
        @for row in 0..rows.len() {
            @if let (Some(y), Some(place)) = (layout.y(row), layout.places[row]) && place.is_multiple_of(every) {
                @let processes = rows.processes(row);
                text class="tick" x=(Px(LEFT - 8.0)) y=(Px(y + layout.height / 2.0 + 3.5)) text-anchor="end" {
                    (row)
                    title { "processes " (words::list(processes, 40)) }
                }
            }
        }
    }
}

/// One operation that tells about itself.
fn bar(operation: &Operation, rows: &Rows, layout: &Layout, time: &Time) -> Markup {
    let Some(y) = layout.y(rows.of(operation.process)) else { return html! {} };
    let (from, to) = ends(operation, time);
    let margin = layout.margin(operation.outcome);
    html! {
        rect class={ "bar " (operations::name(operation.outcome)) } x=(Px(from)) y=(Px(y + margin)) width=(Px(to - from))
            height=(Px(layout.height - 2.0 * margin)) {
            title { (operation.words()) }
        }
    }
}

/// All operations of one outcome as one path.
fn bars(operations: &[Operation], outcome: Outcome, rows: &Rows, layout: &Layout, time: &Time) -> Markup {
    let mut spans: Vec<Vec<(f64, f64)>> = vec![Vec::new(); rows.len()];
    for operation in operations.iter().filter(|operation| operation.outcome == outcome) {
        let (from, to) = ends(operation, time);
        match spans[rows.of(operation.process)].last_mut() {
            Some(last) if from - last.1 < GAP_MIN => last.1 = last.1.max(to),
            _ => spans[rows.of(operation.process)].push((from, to)),
        }
    }
    let (margin, mut data) = (layout.margin(outcome), String::new());
    for (row, spans) in spans.iter().enumerate() {
        let Some(y) = layout.y(row) else { continue };
        let height = layout.height - 2.0 * margin;
        for (from, to) in spans {
            data.push_str(&format!(
                "M{} {}H{}v{}H{}z",
                px(*from),
                px(y + margin),
                px(*to),
                px(height),
                px(*from)
            ));
        }
    }
    html! { path class={ "bar " (operations::name(outcome)) } d=(data) {} }
}

/// The operations of an anomaly on top of all others, and its name above.
fn mark(case: &Case, rows: &Rows, layout: &Layout, time: &Time) -> Markup {
    let Some(first) = case.operations.iter().map(|operation| operation.begin_ns()).min() else {
        return html! {};
    };
    let x = time.x(first);
    html! {
        a href={ "#" (case.id) } {
            @for operation in &case.operations {
                @if let Some(y) = layout.y(rows.of(operation.process)) {
                    @let (from, to) = ends(operation, time);
                    rect class="bar bad" x=(Px(from - 1.0)) y=(Px(y)) width=(Px(to - from + 2.0))
                        height=(Px(layout.height)) {
                        title { (case.id) ": " (operation.words()) }
                    }
                }
            }
            line class="mark bad" x1=(Px(x)) x2=(Px(x)) y1=(Px(layout.top - 8.0)) y2=(Px(layout.bottom())) {}
            text class="name bad" x=(Px(x)) y=(Px(layout.top - 9.0)) text-anchor="middle" { (case.id) }
        }
    }
}

/// Where an operation is drawn: at least a pixel, and to the end if it never ended.
fn ends(operation: &Operation, time: &Time) -> (f64, f64) {
    let from = time.x(operation.begin_ns());
    (from, time.x(operation.end_ns().unwrap_or(time.end_ns())).max(from + 1.0))
}
