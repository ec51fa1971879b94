use crate::written::{Written, assert_holds, classes, int, int_map, map};
use assent_lab::{
    checkers::bank::check,
    history::{Kind, Value},
    verdict::Finding,
};

fn open() -> Written {
    let mut written = Written::default();
    written.ok("open", map(&[("min", int(0)), ("balances", int_map(&[(0, 10), (1, 10), (2, 10)]))]));
    written
}

fn transfer(from: i64, to: i64, amount: i64) -> Value {
    map(&[("from", int(from)), ("to", int(to)), ("amount", int(amount))])
}

fn balances(of: [i64; 3]) -> Value {
    int_map(&[(0, of[0]), (1, of[1]), (2, of[2])])
}

#[test]
fn a_clean_history_holds() {
    let mut written = open();
    written.ok("transfer", transfer(0, 1, 4));
    written.ok("read", balances([6, 14, 10]));
    written.fail("transfer", transfer(0, 2, 7), "bound");
    written.fail("transfer", transfer(1, 2, 1), "conflict");
    written.ok("audit", balances([6, 14, 10]));
    assert_holds(&check(&written.history));
}

#[test]
fn without_reads_or_transfers_nothing_is_known() {
    assert_eq!(check(&open().history).finding, Finding::Unknown);
    assert_eq!(check(&Written::default().history).finding, Finding::Unknown);
    let mut written = open();
    written.ok("read", balances([10, 10, 10]));
    assert_eq!(check(&written.history).finding, Finding::Unknown);
}

#[test]
fn half_a_transfer_changes_the_total() {
    let mut written = open();
    written.ok("transfer", transfer(0, 1, 4));
    let line = written.ok("read", balances([6, 10, 10]));
    let verdict = check(&written.history);
    assert_eq!(classes(&verdict), ["total changed", "unexplained balance"]);
    assert!(verdict.anomalies[0].events.contains(&line) && verdict.anomalies[0].words.contains("26"));
}

#[test]
fn an_account_below_its_minimum_is_overdrawn() {
    let mut written = open();
    written.ok("transfer", transfer(0, 1, 6));
    written.ok("transfer", transfer(0, 1, 6));
    written.ok("read", balances([-2, 22, 10]));
    assert_eq!(classes(&check(&written.history)), ["overdrawn"]);
}

#[test]
fn a_whole_transfer_that_is_lost_leaves_balances_unexplained() {
    let mut written = open();
    written.ok("transfer", transfer(0, 1, 4));
    written.ok("transfer", transfer(1, 2, 1));
    written.ok("read", balances([10, 9, 11]));
    assert_eq!(classes(&check(&written.history)), ["unexplained balance"]);
}

#[test]
fn a_transfer_done_twice_leaves_balances_unexplained() {
    let mut written = open();
    written.ok("transfer", transfer(0, 1, 4));
    written.ok("read", balances([2, 18, 10]));
    assert_eq!(classes(&check(&written.history)), ["unexplained balance"]);
}

#[test]
fn a_refused_transfer_that_happened_leaves_balances_unexplained() {
    let mut written = open();
    written.ok("transfer", transfer(0, 1, 1));
    written.fail("transfer", transfer(0, 1, 4), "conflict");
    written.ok("read", balances([5, 15, 10]));
    assert_eq!(classes(&check(&written.history)), ["unexplained balance"]);
}

#[test]
fn a_stale_read_is_found_though_its_total_is_right() {
    let mut written = open();
    written.ok("transfer", transfer(0, 1, 4));
    written.ok("read", balances([6, 14, 10]));
    written.ok("transfer", transfer(0, 1, 4));
    written.ok("read", balances([6, 14, 10]));
    assert_eq!(classes(&check(&written.history)), ["unexplained balance"]);
}

#[test]
fn a_transfer_under_way_may_be_seen_or_not() {
    for seen in [[10, 10, 10], [6, 14, 10]] {
        let mut written = open();
        written.ok("transfer", transfer(2, 1, 1));
        written.ok("transfer", transfer(1, 2, 1));
        written.invoke(1, "transfer", transfer(0, 1, 4));
        written.ok("read", balances(seen));
        written.line(1, Kind::Ok, "transfer", transfer(0, 1, 4), None);
        assert_holds(&check(&written.history));
    }
}

#[test]
fn an_unknown_transfer_may_happen_at_any_later_time_and_only_once() {
    let read_after = |reads: &[[i64; 3]]| {
        let mut written = open();
        written.ok("transfer", transfer(2, 1, 1));
        written.ok("transfer", transfer(1, 2, 1));
        written.unknown(1, "transfer", transfer(0, 1, 4));
        for balance in reads {
            written.ok("read", balances(*balance));
        }
        check(&written.history)
    };
    assert_holds(&read_after(&[[10, 10, 10], [6, 14, 10]]));
    assert_eq!(classes(&read_after(&[[2, 18, 10]])), ["unexplained balance"]);
    assert_eq!(classes(&read_after(&[[8, 12, 10]])), ["unexplained balance"]);
}

#[test]
fn a_refusal_without_cause_is_found() {
    let mut written = open();
    written.ok("transfer", transfer(0, 1, 4));
    written.fail("transfer", transfer(0, 1, 6), "bound");
    written.ok("read", balances([6, 14, 10]));
    assert_eq!(classes(&check(&written.history)), ["refused without cause"]);
}

#[test]
fn a_refusal_that_something_under_way_may_have_caused_holds() {
    let mut written = open();
    written.invoke(1, "transfer", transfer(0, 1, 5));
    written.fail("transfer", transfer(0, 1, 6), "bound");
    written.line(1, Kind::Ok, "transfer", transfer(0, 1, 5), None);
    written.ok("read", balances([5, 15, 10]));
    assert_holds(&check(&written.history));
}

#[test]
fn a_read_that_lacks_an_account_is_found() {
    let mut written = open();
    written.ok("transfer", transfer(0, 1, 4));
    written.ok("read", int_map(&[(0, 6), (1, 14)]));
    written.ok("read", map(&[("nonsense", int(1))]));
    let verdict = check(&written.history);
    assert_eq!(classes(&verdict), ["incomplete read"]);
    assert_eq!(verdict.anomalies.len(), 2);
}

#[test]
fn a_mistake_that_every_later_read_shows_is_listed_a_few_times_and_counted() {
    let mut written = open();
    written.ok("transfer", transfer(0, 1, 4));
    for _ in 0..100 {
        written.ok("read", balances([10, 10, 10]));
    }
    written.ok("read", balances([10, 10, 9]));
    let verdict = check(&written.history);
    assert_eq!(classes(&verdict), ["total changed", "unexplained balance"]);
    assert!(verdict.anomalies.len() <= 20, "{}", verdict.anomalies.len());
    assert!(verdict.summary.contains("unexplained balance: 203"), "{}", verdict.summary);
}
