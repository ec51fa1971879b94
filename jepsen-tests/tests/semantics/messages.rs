use crate::written::{Written, assert_holds, classes, int, ints, map};
use assent_lab::{
    checkers::messages::check,
    history::{Kind, Value},
    verdict::{Finding, Verdict},
};

fn word(text: &str) -> Value {
    Value::Keyword(text.to_owned())
}

fn vector(values: &[Value]) -> Value {
    Value::Vector(values.to_vec())
}

fn settings(mailbox: &str, finish: &str, ordered: bool, sends_on: Value) -> Value {
    map(&[
        ("mailbox", word(mailbox)),
        ("finish", word(finish)),
        ("ordered", Value::Bool(ordered)),
        ("sends-on", sends_on),
    ])
}

/// The four mailboxes of the workload; the first sends on to the second.
fn mailboxes(ordered: bool) -> Written {
    let mut written = Written::default();
    written.ok("settings", settings("work", "transaction", ordered, word("second")));
    written.ok("settings", settings("second", "transaction", ordered, Value::Nil));
    written.ok("settings", settings("plain", "plain", ordered, Value::Nil));
    written.ok("settings", settings("receipt", "on-receipt", ordered, Value::Nil));
    written
}

/// Messages with the key 2, from source 0.
fn sends(messages: &[(i64, &str)]) -> Value {
    let message = |(number, mailbox): &(i64, &str)| vector(&[int(*number), word(mailbox), int(2), int(0)]);
    vector(&messages.iter().map(message).collect::<Vec<_>>())
}

fn at(number: i64, mailbox: &str) -> Value {
    vector(&[int(number), word(mailbox)])
}

fn effects(written: &mut Written, mailbox: &str, pages: &[&[i64]]) -> u64 {
    let pages: Vec<Value> = pages.iter().map(|page| ints(page)).collect();
    written.ok("effects", vector(&[word(mailbox), int(2), vector(&pages)]))
}

/// Each is sent, and the history ends with these effects.
fn sent(mailbox: &str, numbers: &[i64], pages: &[&[i64]]) -> Verdict {
    let mut written = mailboxes(true);
    for number in numbers {
        written.ok("send", sends(&[(*number, mailbox)]));
    }
    effects(&mut written, mailbox, pages);
    if mailbox == "work" {
        effects(&mut written, "second", pages);
    }
    check(&written.history)
}

#[test]
fn a_clean_history_holds() {
    let mut written = mailboxes(true);
    written.ok("send", sends(&[(1, "work"), (2, "plain")]));
    written.fail("send", sends(&[(3, "work")]), "conflict");
    written.unknown(7, "send", sends(&[(4, "work")]));
    written.unknown(8, "send", sends(&[(5, "work")]));
    written.ok("send", sends(&[(6, "receipt"), (7, "work")]));
    written.ok("receive", vector(&[word("work"), ints(&[1])]));
    written.fail("process", at(1, "work"), "refused");
    written.ok("receive", vector(&[word("work"), ints(&[1])]));
    written.unknown(9, "process", at(1, "work"));
    for (number, mailbox) in [(4, "work"), (7, "work"), (2, "plain"), (2, "plain"), (1, "second")] {
        written.ok("process", at(number, mailbox));
    }
    written.ok("acknowledge", at(2, "plain"));
    for number in [4, 7] {
        written.ok("process", at(number, "second"));
    }
    effects(&mut written, "work", &[&[1, 4, 7]]);
    effects(&mut written, "second", &[&[1, 4, 7]]);
    // At least once, and at most once.
    effects(&mut written, "plain", &[&[2, 2]]);
    effects(&mut written, "receipt", &[&[]]);
    let verdict = check(&written.history);
    assert_holds(&verdict);
    assert!(
        verdict.summary.starts_with("7 messages sent, 4 committed, 2 unknown; 8 effects of 7"),
        "{}",
        verdict.summary
    );
    let work = verdict.tables[0].rows.iter().find(|row| row[0] == "work").expect("each mailbox has a row");
    assert_eq!(work[3..], ["5", "2", "2", "1", "2", "3", "3", "0"]);
}

#[test]
fn without_a_last_read_or_without_messages_nothing_is_known() {
    assert_eq!(check(&Written::default().history).finding, Finding::Unknown);
    assert_eq!(check(&mailboxes(true).history).finding, Finding::Unknown);
    let mut written = mailboxes(true);
    written.ok("send", sends(&[(1, "plain")]));
    let verdict = check(&written.history);
    assert_eq!(verdict.finding, Finding::Unknown);
    assert!(verdict.summary.contains("not read at the end"), "{}", verdict.summary);
    // What was read before the last message was sent is no last read.
    effects(&mut written, "plain", &[&[1]]);
    assert_holds(&check(&written.history));
    written.ok("send", sends(&[(2, "plain")]));
    assert_eq!(check(&written.history).finding, Finding::Unknown);
}

#[test]
fn a_committed_message_without_effect_is_lost() {
    for mailbox in ["work", "second", "plain"] {
        let verdict = sent(mailbox, &[1, 2], &[&[1]]);
        assert_eq!(classes(&verdict), ["lost"], "{mailbox}");
        assert_eq!(verdict.anomalies[0].events, [10, 11, 12, 13]);
        assert!(verdict.anomalies[0].words.starts_with("Message 2"), "{verdict:?}");
    }
    assert_holds(&sent("receipt", &[1, 2], &[&[1]]));
}

#[test]
fn an_effect_that_a_consumer_saw_committed_and_that_is_gone_is_lost() {
    let mut written = mailboxes(true);
    written.ok("send", sends(&[(1, "plain")]));
    written.ok("process", at(1, "plain"));
    written.ok("process", at(1, "plain"));
    effects(&mut written, "plain", &[&[1]]);
    assert_eq!(classes(&check(&written.history)), ["lost"]);
}

#[test]
fn a_message_with_two_effects_is_duplicated_where_once_is_the_most() {
    for mailbox in ["work", "second", "receipt"] {
        assert_eq!(classes(&sent(mailbox, &[1], &[&[1, 1]])), ["duplicated"], "{mailbox}");
        // Also where they are in two lists.
        assert_eq!(classes(&sent(mailbox, &[1], &[&[1], &[1]])), ["duplicated"], "{mailbox}");
    }
    assert_holds(&sent("plain", &[1], &[&[1, 1]]));
}

#[test]
fn more_effects_than_were_made_are_duplicated_where_more_than_one_is_allowed() {
    let mut written = mailboxes(true);
    written.ok("send", sends(&[(1, "plain")]));
    written.ok("process", at(1, "plain"));
    written.unknown(7, "process", at(1, "plain"));
    written.fail("process", at(1, "plain"), "conflict");
    effects(&mut written, "plain", &[&[1, 1]]);
    assert_holds(&check(&written.history));
    effects(&mut written, "plain", &[&[1, 1, 1]]);
    assert_eq!(classes(&check(&written.history)), ["duplicated"]);
}

#[test]
fn an_effect_of_an_aborted_send_or_of_aborted_processing_is_aborted() {
    let mut written = mailboxes(true);
    written.fail("send", sends(&[(1, "plain")]), "conflict");
    written.ok("send", sends(&[(2, "plain")]));
    effects(&mut written, "plain", &[&[1, 2]]);
    assert_eq!(classes(&check(&written.history)), ["aborted"]);

    let mut written = mailboxes(true);
    written.ok("send", sends(&[(1, "plain")]));
    written.fail("process", at(1, "plain"), "conflict");
    effects(&mut written, "plain", &[&[1]]);
    assert_eq!(classes(&check(&written.history)), ["aborted"]);
}

#[test]
fn a_message_of_an_aborted_send_that_is_delivered_is_aborted() {
    let mut written = mailboxes(true);
    written.fail("send", sends(&[(1, "plain")]), "conflict");
    let line = written.ok("receive", vector(&[word("plain"), ints(&[1])]));
    let verdict = check(&written.history);
    assert_eq!(classes(&verdict), ["aborted"]);
    assert!(verdict.anomalies[0].events.contains(&line));
}

#[test]
fn what_nobody_sent_there_is_a_phantom() {
    // Sent by nobody, sent elsewhere, sent with another key, not sent yet, and processed by nobody.
    assert_eq!(classes(&sent("plain", &[1], &[&[1, 9]])), ["phantom"]);
    let mut written = mailboxes(true);
    written.ok("send", sends(&[(1, "plain"), (2, "receipt")]));
    effects(&mut written, "plain", &[&[1, 2]]);
    effects(&mut written, "receipt", &[&[2]]);
    assert_eq!(classes(&check(&written.history)), ["phantom"]);

    let mut written = mailboxes(true);
    written.ok("send", vector(&[vector(&[int(1), word("receipt"), Value::Nil, int(0)])]));
    written.ok("send", sends(&[(2, "receipt")]));
    effects(&mut written, "receipt", &[&[1]]);
    assert_eq!(classes(&check(&written.history)), ["phantom"]);

    let mut written = mailboxes(true);
    effects(&mut written, "receipt", &[&[1]]);
    written.ok("send", sends(&[(1, "receipt")]));
    assert_eq!(classes(&check(&written.history)), ["phantom"]);

    let mut written = mailboxes(true);
    written.ok("send", sends(&[(1, "plain"), (2, "plain")]));
    written.ok("process", at(1, "plain"));
    effects(&mut written, "plain", &[&[1, 2]]);
    assert_eq!(classes(&check(&written.history)), ["phantom"]);
}

#[test]
fn what_is_delivered_and_was_not_sent_there_is_a_phantom() {
    for (number, mailbox) in [(9, "plain"), (1, "receipt")] {
        let mut written = mailboxes(true);
        written.ok("send", sends(&[(1, "plain")]));
        written.ok("receive", vector(&[word(mailbox), ints(&[number])]));
        assert_eq!(classes(&check(&written.history)), ["phantom"]);
    }
    let mut written = mailboxes(true);
    written.ok("receive", vector(&[word("plain"), ints(&[1])]));
    written.ok("send", sends(&[(1, "plain")]));
    assert_eq!(classes(&check(&written.history)), ["phantom"]);
}

#[test]
fn who_was_committed_before_another_was_asked_for_comes_first() {
    for mailbox in ["work", "second", "plain"] {
        let verdict = sent(mailbox, &[1, 2, 3], &[&[1, 3, 2]]);
        assert_eq!(classes(&verdict), ["reordered"], "{mailbox}");
        assert!(verdict.anomalies[0].words.contains("before message 2"), "{verdict:?}");
    }
    assert_holds(&sent("receipt", &[1, 2, 3], &[&[1, 3, 2]]));
    // An effect that comes again is no effect that comes late.
    assert_holds(&sent("plain", &[1, 2], &[&[1, 2, 1]]));
    // Two lists: which one came first is not told.
    assert_holds(&sent("plain", &[1, 2], &[&[2], &[1]]));
}

#[test]
fn one_transaction_sends_in_its_order() {
    let mut written = mailboxes(true);
    written.ok("send", sends(&[(1, "second"), (2, "second")]));
    effects(&mut written, "second", &[&[2, 1]]);
    assert_eq!(classes(&check(&written.history)), ["reordered"]);
}

#[test]
fn only_what_real_time_proves_is_reordered() {
    let reordered = |other: &dyn Fn(&mut Written)| {
        let mut written = mailboxes(true);
        other(&mut written);
        effects(&mut written, "second", &[&[2, 1]]);
        check(&written.history)
    };
    // Both under way at the same time.
    assert_holds(&reordered(&|written| {
        written.invoke(0, "send", sends(&[(1, "second")]));
        written.invoke(1, "send", sends(&[(2, "second")]));
        written.line(0, Kind::Ok, "send", sends(&[(1, "second")]), None);
        written.line(1, Kind::Ok, "send", sends(&[(2, "second")]), None);
    }));
    // The first may have been committed late.
    assert_holds(&reordered(&|written| {
        written.unknown(7, "send", sends(&[(1, "second")]));
        written.ok("send", sends(&[(2, "second")]));
    }));
    // From another source.
    assert_holds(&reordered(&|written| {
        written.ok("send", vector(&[vector(&[int(1), word("second"), int(2), int(1)])]));
        written.ok("send", sends(&[(2, "second")]));
    }));
    // The second was committed, whether or not its client knows.
    assert_eq!(
        classes(&reordered(&|written| {
            written.ok("send", sends(&[(1, "second")]));
            written.unknown(7, "send", sends(&[(2, "second")]));
        })),
        ["reordered"]
    );
}

#[test]
fn where_dead_letters_leave_the_order_it_is_not_judged() {
    let mut written = mailboxes(false);
    written.ok("send", sends(&[(1, "second")]));
    written.ok("send", sends(&[(2, "second")]));
    effects(&mut written, "second", &[&[2, 1]]);
    assert_holds(&check(&written.history));
}

#[test]
fn between_two_lists_consumers_show_the_order() {
    let mut written = mailboxes(true);
    written.ok("send", sends(&[(1, "second")]));
    written.ok("send", sends(&[(2, "second")]));
    written.ok("process", at(2, "second"));
    written.ok("process", at(1, "second"));
    effects(&mut written, "second", &[&[1], &[2]]);
    assert_eq!(classes(&check(&written.history)), ["reordered"]);
}

#[test]
fn what_is_sent_on_keeps_the_order_of_the_effects() {
    let mut written = mailboxes(true);
    written.invoke(0, "send", sends(&[(1, "work")]));
    written.invoke(1, "send", sends(&[(2, "work")]));
    written.line(0, Kind::Ok, "send", sends(&[(1, "work")]), None);
    written.line(1, Kind::Ok, "send", sends(&[(2, "work")]), None);
    effects(&mut written, "work", &[&[1, 2]]);
    effects(&mut written, "second", &[&[2, 1]]);
    assert_eq!(classes(&check(&written.history)), ["reordered"]);
    effects(&mut written, "work", &[&[2, 1]]);
    assert_holds(&check(&written.history));
}

#[test]
fn half_of_processing_is_found_either_way() {
    let mut written = mailboxes(true);
    written.ok("send", sends(&[(1, "work")]));
    effects(&mut written, "work", &[&[1]]);
    effects(&mut written, "second", &[&[]]);
    assert_eq!(classes(&check(&written.history)), ["half processed"]);
    effects(&mut written, "work", &[&[]]);
    effects(&mut written, "second", &[&[1]]);
    let verdict = check(&written.history);
    assert_eq!(classes(&verdict), ["half processed", "lost"]);
}

#[test]
fn what_was_finished_and_is_delivered_again_is_found() {
    let again = |mailbox: &str, finished: &str| {
        let mut written = mailboxes(true);
        written.ok("send", sends(&[(1, mailbox)]));
        written.ok("receive", vector(&[word(mailbox), ints(&[1])]));
        if !finished.is_empty() {
            written.ok(finished, at(1, mailbox));
        }
        // Asked before the end of it, this one may have been given it before, too.
        written.invoke(3, "receive", vector(&[word(mailbox), Value::Nil]));
        written
    };
    for (mailbox, finished) in [("second", "process"), ("plain", "acknowledge"), ("receipt", "")] {
        let mut written = again(mailbox, finished);
        let line = written.line(3, Kind::Ok, "receive", vector(&[word(mailbox), ints(&[1])]), None);
        let verdict = check(&written.history);
        assert!(classes(&verdict).contains(&"delivered again"), "{mailbox}: {verdict:?}");
        assert!(verdict.anomalies.iter().any(|anomaly| anomaly.events.contains(&line)));
    }
    // Its work is done, and it is not finished.
    let mut written = again("plain", "process");
    written.line(3, Kind::Ok, "receive", vector(&[word("plain"), ints(&[1])]), None);
    written.ok("process", at(1, "plain"));
    effects(&mut written, "plain", &[&[1, 1]]);
    assert_holds(&check(&written.history));
    // Asked before the first was finished.
    let mut written = mailboxes(true);
    written.ok("send", sends(&[(1, "plain")]));
    written.invoke(3, "receive", vector(&[word("plain"), Value::Nil]));
    written.ok("process", at(1, "plain"));
    written.ok("acknowledge", at(1, "plain"));
    written.line(3, Kind::Ok, "receive", vector(&[word("plain"), ints(&[1])]), None);
    effects(&mut written, "plain", &[&[1]]);
    assert_holds(&check(&written.history));
}

#[test]
fn all_of_many_are_counted_and_some_of_each_class_are_shown() {
    let numbers: Vec<i64> = (1..=100).collect();
    let verdict = sent("second", &numbers, &[&[900, 901, 50, 50, 51, 51]]);
    assert_eq!(classes(&verdict), ["duplicated", "lost", "phantom"]);
    let lost = verdict.anomalies.iter().filter(|anomaly| anomaly.class == "lost").count();
    assert!(lost > 5 && verdict.anomalies.len() < 30, "{}", verdict.anomalies.len());
    let counts = verdict.tables.last().expect("a table counts them");
    assert!(counts.rows.contains(&vec!["lost".to_owned(), "98".to_owned()]), "{counts:?}");
}

#[test]
fn what_is_not_understood_is_told_with_its_line() {
    let told = |f: &str, value: Value, words: &str| {
        let mut written = mailboxes(true);
        written.ok(f, value);
        let verdict = check(&written.history);
        assert_eq!(verdict.finding, Finding::Unknown, "{verdict:?}");
        assert!(
            verdict.summary.contains("index 8") && verdict.summary.contains(words),
            "{}",
            verdict.summary
        );
    };
    told("send", Value::Nil, "messages sent are");
    told("send", vector(&[vector(&[int(1), int(2)])]), "messages sent are");
    told("send", sends(&[(1, "plain"), (1, "plain")]), "has sent message 1 before");
    told("send", sends(&[(1, "elsewhere")]), "promises is not told");
    told("receive", int(1), "what is received is");
    told("process", vector(&[word("work"), int(1)]), "a message is");
    told("acknowledge", Value::Nil, "a message is");
    told("effects", vector(&[word("work"), int(2), int(3)]), "effects that were read are");
    told("settings", Value::Nil, "names no :mailbox");
    told("settings", settings("work", "twice", true, Value::Nil), ":finish is none of");
    told("settings", settings("work", "transaction", false, Value::Nil), "something else than before");
    let mut written = mailboxes(true);
    written.ok("send", sends(&[(1, "plain")]));
    written.history.events.swap(1, 3);
    assert!(check(&written.history).summary.contains("rules of histories"));
}
