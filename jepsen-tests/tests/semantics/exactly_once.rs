use crate::written::{Written, assert_holds, classes, int, ints};
use assent_lab::{
    checkers::exactly_once::check,
    history::{Kind, Value},
    verdict::Finding,
};

fn micro(name: &str, key: i64, with: Value) -> Value {
    Value::Vector(vec![Value::Keyword(name.to_owned()), int(key), with])
}

fn append(key: i64, value: i64) -> Value {
    micro("append", key, int(value))
}

fn add(key: i64, delta: i64) -> Value {
    micro("add", key, ints(&[delta, 0, 10]))
}

fn items(key: i64, seen: &[i64]) -> Value {
    micro("items", key, ints(seen))
}

fn count(key: i64, seen: i64) -> Value {
    micro("count", key, int(seen))
}

fn txn<const N: usize>(parts: [Value; N]) -> Value {
    Value::Vector(parts.to_vec())
}

fn found(write: impl FnOnce(&mut Written)) -> Vec<String> {
    let mut written = Written::default();
    write(&mut written);
    classes(&check(&written.history)).into_iter().map(str::to_owned).collect()
}

fn holds(write: impl FnOnce(&mut Written)) {
    let mut written = Written::default();
    write(&mut written);
    assert_holds(&check(&written.history));
}

#[test]
fn a_clean_history_holds() {
    holds(|it| {
        it.ok("txn", txn([append(0, 1), append(1, 1), add(0, 4)]));
        it.ok("txn", txn([append(0, 2), items(0, &[1, 2])]));
        it.fail("txn", txn([append(0, 3), add(0, 7)]), "bound");
        it.fail("txn", txn([append(0, 4)]), "conflict");
        it.ok("txn", txn([add(0, -1), count(0, 3)]));
        it.ok("txn", txn([items(0, &[1, 2]), items(1, &[1]), count(0, 3)]));
    });
}

#[test]
fn what_was_never_read_is_not_known() {
    let mut written = Written::default();
    written.ok("txn", txn([append(0, 1), append(1, 1)]));
    written.ok("txn", txn([items(0, &[1])]));
    assert_eq!(check(&written.history).finding, Finding::Unknown);
    written.ok("txn", txn([items(1, &[1])]));
    assert_holds(&check(&written.history));
    written.ok("txn", txn([add(3, 1)]));
    assert_eq!(check(&written.history).finding, Finding::Unknown);
}

#[test]
fn a_value_that_is_there_twice_was_applied_twice() {
    let classes = found(|it| {
        it.ok("txn", txn([append(0, 1)]));
        it.ok("txn", txn([items(0, &[1, 1])]));
    });
    assert_eq!(classes, ["applied twice"]);
}

#[test]
fn an_acknowledged_value_that_is_gone_was_lost() {
    let classes = found(|it| {
        it.ok("txn", txn([append(0, 1)]));
        it.ok("txn", txn([append(0, 2)]));
        it.ok("txn", txn([items(0, &[1])]));
    });
    assert_eq!(classes, ["lost"]);
}

#[test]
fn a_value_lost_for_a_while_was_lost() {
    let classes = found(|it| {
        it.ok("txn", txn([append(0, 1)]));
        it.ok("txn", txn([items(0, &[])]));
        it.ok("txn", txn([items(0, &[1])]));
    });
    assert_eq!(classes, ["lost"]);
}

#[test]
fn half_a_transaction_is_lost_in_the_other_list() {
    let classes = found(|it| {
        it.ok("txn", txn([append(0, 1), append(1, 1)]));
        it.ok("txn", txn([items(0, &[1]), items(1, &[])]));
    });
    assert_eq!(classes, ["lost"]);
}

#[test]
fn an_aborted_value_that_is_there_is_found() {
    let classes = found(|it| {
        it.ok("txn", txn([append(0, 1)]));
        it.fail("txn", txn([append(0, 2)]), "conflict");
        it.ok("txn", txn([items(0, &[1, 2])]));
    });
    assert_eq!(classes, ["applied though aborted"]);
}

#[test]
fn a_value_that_nobody_appended_is_from_nowhere() {
    let classes = found(|it| {
        it.ok("txn", txn([append(0, 1)]));
        it.ok("txn", txn([items(0, &[1, 77])]));
    });
    assert_eq!(classes, ["from nowhere"]);
}

#[test]
fn a_value_seen_before_it_was_asked_for_is_found() {
    let classes = found(|it| {
        it.ok("txn", txn([items(0, &[1])]));
        it.ok("txn", txn([append(0, 1)]));
        it.ok("txn", txn([items(0, &[1])]));
    });
    assert_eq!(classes, ["seen too early"]);
    let classes = found(|it| {
        it.ok("txn", txn([items(0, &[1]), append(0, 1)]));
        it.ok("txn", txn([items(0, &[1])]));
    });
    assert_eq!(classes, ["seen too early"]);
}

#[test]
fn a_read_after_its_own_append_must_see_it() {
    let classes = found(|it| {
        it.ok("txn", txn([append(0, 1), items(0, &[])]));
        it.ok("txn", txn([items(0, &[1])]));
    });
    assert_eq!(classes, ["lost"]);
}

#[test]
fn a_list_whose_past_changes_is_found() {
    let classes = found(|it| {
        it.invoke(1, "txn", txn([append(0, 1)]));
        it.invoke(2, "txn", txn([append(0, 2)]));
        it.ok("txn", txn([items(0, &[2])]));
        it.line(1, Kind::Ok, "txn", txn([append(0, 1)]), None);
        it.line(2, Kind::Ok, "txn", txn([append(0, 2)]), None);
        it.ok("txn", txn([items(0, &[1, 2])]));
    });
    assert_eq!(classes, ["order changed"]);
}

#[test]
fn an_unknown_value_may_come_late_and_once() {
    holds(|it| {
        it.ok("txn", txn([append(0, 1)]));
        it.unknown(1, "txn", txn([append(0, 2)]));
        it.ok("txn", txn([items(0, &[1])]));
        it.ok("txn", txn([items(0, &[1, 2])]));
    });
    let classes = found(|it| {
        it.ok("txn", txn([append(0, 1)]));
        it.unknown(1, "txn", txn([append(0, 2)]));
        it.ok("txn", txn([items(0, &[1, 2, 2])]));
    });
    assert_eq!(classes, ["applied twice"]);
}

#[test]
fn an_add_applied_twice_leaves_the_count_unexplained() {
    let classes = found(|it| {
        it.ok("txn", txn([add(0, 3)]));
        it.ok("txn", txn([count(0, 6)]));
    });
    assert_eq!(classes, ["unexplained count"]);
}

#[test]
fn an_add_lost_leaves_the_count_unexplained() {
    let classes = found(|it| {
        it.ok("txn", txn([add(0, 3)]));
        it.ok("txn", txn([add(0, 4)]));
        it.ok("txn", txn([count(0, 4)]));
    });
    assert_eq!(classes, ["unexplained count"]);
}

#[test]
fn an_aborted_add_that_counts_is_found() {
    let classes = found(|it| {
        it.ok("txn", txn([add(0, 3)]));
        it.fail("txn", txn([add(0, 2)]), "conflict");
        it.ok("txn", txn([count(0, 5)]));
    });
    assert_eq!(classes, ["unexplained count"]);
}

#[test]
fn unknown_adds_explain_their_sums_and_nothing_else() {
    let write = |seen| {
        move |it: &mut Written| {
            it.ok("txn", txn([add(0, 1)]));
            it.unknown(1, "txn", txn([add(0, 2)]));
            it.unknown(2, "txn", txn([add(0, 4)]));
            it.ok("txn", txn([count(0, seen)]));
        }
    };
    for seen in [1, 3, 5, 7] {
        holds(write(seen));
    }
    for seen in [0, 2, 4, 6, 8] {
        assert_eq!(found(write(seen)), ["unexplained count"], "{seen}");
    }
}

#[test]
fn a_count_outside_its_bounds_is_found() {
    let classes = found(|it| {
        it.ok("txn", txn([add(0, 6)]));
        it.ok("txn", txn([add(0, 6)]));
        it.ok("txn", txn([count(0, 12)]));
    });
    assert_eq!(classes, ["out of bounds"]);
}

#[test]
fn a_refusal_without_cause_is_found() {
    let classes = found(|it| {
        it.ok("txn", txn([add(0, 6)]));
        it.fail("txn", txn([add(0, 4)]), "bound");
        it.ok("txn", txn([count(0, 6)]));
    });
    assert_eq!(classes, ["refused without cause"]);
    holds(|it| {
        it.ok("txn", txn([add(0, 6)]));
        it.unknown(1, "txn", txn([add(0, 1)]));
        it.fail("txn", txn([add(0, 4)]), "bound");
        it.ok("txn", txn([count(0, 6)]));
    });
}

#[test]
fn a_read_that_tells_nothing_is_found() {
    let classes = found(|it| {
        it.ok("txn", txn([append(0, 1), add(0, 1)]));
        it.ok(
            "txn",
            txn([micro("items", 0, Value::Keyword("missing".into())), micro("count", 0, Value::Nil)]),
        );
    });
    assert_eq!(classes, ["incomplete read"]);
}
