//! The report of a run for people: one HTML file that needs nothing else and shows what was done, what clients saw, and
//! what the checkers say of it.
//!
//! Not a judge: it draws what a [`Run`] and its [`History`] hold and finds nothing by itself.
//!
//! Invariant: no text of a run or history can become markup. All of it goes through `maud`, which escapes it; nothing
//! here makes unescaped markup except from the style sheet. The page forbids itself scripts and outside resources.

mod bins;
mod cases;
mod faults;
mod figure;
mod latency;
mod operations;
mod page;
mod throughput;
mod timeline;
mod words;

use crate::{history::History, run::Run};

/// The report of a run, as one HTML file.
///
/// Its size follows from what is drawn and not from the length of the history: some hundred kilobytes for 20,000 operations.
pub fn render(run: &Run, history: &History) -> String {
    let operations = operations::of(history);
    words::visible(&page::page(run, history, &operations).into_string())
}
