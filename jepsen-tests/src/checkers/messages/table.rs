//! The figures: what was sent to each mailbox, what became of it, and how it is finished there.

use super::book::Book;
use crate::verdict::Table;

pub(super) fn table(book: &Book<'_>) -> Table {
    let row = |mailbox: &&str| -> Vec<String> {
        let sent: Vec<_> = book.sent.iter().filter(|sent| sent.mailbox == *mailbox).collect();
        let committed = sent.iter().filter(|sent| sent.span.ok().is_some()).count();
        let aborted = sent.iter().filter(|sent| !sent.may_be()).count();
        let effects: Vec<usize> = book
            .effects
            .iter()
            .filter(|((_, at), _)| at == mailbox)
            .map(|(_, effects)| effects.len())
            .collect();
        let sent_on = book.effects.keys().filter(|(number, at)| {
            at == mailbox && book.of(*number).is_some_and(|sent| sent.mailbox != *mailbox)
        });
        let received = book.received.iter().filter(|received| received.mailbox == *mailbox);
        let promise = book.promise(mailbox);
        let figures = [
            sent.len(),
            committed,
            sent.len() - committed - aborted,
            aborted,
            received.map(|received| received.numbers.len()).sum(),
            effects.len(),
            effects.iter().sum(),
            sent_on.count(),
        ];
        let words = [
            (*mailbox).to_owned(),
            promise.map_or("", |promise| promise.finish.words()).to_owned(),
            promise.map_or("", |promise| if promise.ordered { "yes" } else { "no" }).to_owned(),
        ];
        words.into_iter().chain(figures.map(|figure| figure.to_string())).collect()
    };
    let columns = [
        "mailbox",
        "finished by",
        "ordered",
        "sent",
        "committed",
        "unknown",
        "aborted",
        "delivered",
        "messages with an effect",
        "effects",
        "of these sent on to it",
    ];
    Table {
        title: "Messages by mailbox, and how they are finished there".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: book.promises.keys().map(row).collect(),
    }
}
