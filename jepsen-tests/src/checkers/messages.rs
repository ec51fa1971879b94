//! Messages: each that was committed takes effect as often as its mailbox promises, nothing else does, and what has one key
//! takes effect in the order in which it was sent.
//!
//! Reads histories as `workloads/messages.rs` describes them. Judged are the last reads of all effects, and what consumers say
//! that they received and finished. A message is blamed only for what real time proves: of two sends, one was before the
//! other if its end was seen before the other began.
//!
//! Below: `book` is what a history says of messages, `counts` judges how often each took effect, `order` in which order, and
//! `deliveries` what consumers were given; `table` has the figures.

mod book;
mod counts;
mod deliveries;
mod order;
mod table;

use super::report::{Report, not_judged};
use crate::{
    history::History,
    verdict::{Finding, Verdict},
};
use book::Book;

/// The name of this checker.
const NAME: &str = "messages";

/// Judges a history of messages.
pub fn check(history: &History) -> Verdict {
    if let Err(error) = history.check() {
        return not_judged(NAME, format!("this history breaks the rules of histories: {error}"));
    }
    let book = match Book::read(history) {
        Ok(book) => book,
        Err(strange) => return not_judged(NAME, strange.to_string()),
    };
    if book.sent.is_empty() {
        return not_judged(NAME, "no message was sent".to_owned());
    }
    let mut report = Report::default();
    counts::judge(&book, &mut report);
    order::judge(&book, &mut report);
    deliveries::judge(&book, &mut report);
    let unread = book.unread();
    let committed = book.sent.iter().filter(|sent| sent.span.ok().is_some()).count();
    let unknown = book.sent.iter().filter(|sent| sent.may_be() && sent.span.ok().is_none()).count();
    let mut summary = format!(
        "{} messages sent, {committed} committed, {unknown} unknown; {} effects of {} messages",
        book.sent.len(),
        book.effects.values().map(Vec::len).sum::<usize>(),
        book.effects.len()
    );
    if unread > 0 {
        summary = format!(
            "{summary}; of {unread} mailboxes and keys the effects were not read at the end, so this is not the whole truth"
        );
    }
    let otherwise = if unread == 0 && committed > 0 { Finding::Holds } else { Finding::Unknown };
    report.verdict(NAME, summary, otherwise, vec![table::table(&book)])
}
