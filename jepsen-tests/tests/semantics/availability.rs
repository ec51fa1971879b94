use crate::written::{Written, int};
use assent_lab::{
    checkers::availability::{Bounds, check},
    history::Kind,
    run::Fault,
    verdict::{Finding, Verdict},
};

const ALL: &str = "all";

/// One success every 100 ms for 2 s, but for none between 500 ms and 1,200 ms: one that began at 450 ms ends at 1,201 ms.
fn gap() -> Written {
    let mut written = Written::default();
    for at_ms in (0..2_000).step_by(100).filter(|at_ms| !(501..1_200).contains(at_ms)) {
        written.now_ms = at_ms;
        if at_ms == 1_200 {
            written.line(9, Kind::Ok, "slow", int(0), None);
        }
        written.ok("quick", int(0));
        if at_ms == 400 {
            written.now_ms = 450;
            written.invoke(9, "slow", int(0));
        }
        if at_ms == 500 {
            written.fail("quick", int(0), "conflict");
            written.unknown(5, "quick", int(0));
        }
    }
    written
}

fn fault(from_ms: u64, to_ms: Option<u64>) -> Fault {
    Fault {
        kind: "kill".into(),
        targets: vec!["participant-1".into()],
        from_ns: from_ms * 1_000_000,
        to_ns: to_ms.map(|to_ms| to_ms * 1_000_000),
        detail: String::new(),
    }
}

fn cell<'v>(verdict: &'v Verdict, table: usize, row: usize, column: &str) -> &'v str {
    let table = &verdict.tables[table];
    let place = table.columns.iter().position(|head| head == column).expect("such a column");
    assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
    &table.rows[row][place]
}

#[test]
fn the_longest_silence_and_the_counts_are_told() {
    let verdict = check(&gap().history, &[], &Bounds::default());
    assert_eq!(verdict.finding, Finding::Holds);
    assert_eq!(cell(&verdict, 0, 0, "operation"), ALL);
    // From the answer at 502 ms to the one at 1,201 ms.
    assert_eq!(cell(&verdict, 0, 0, "longest without a success (ms)"), "699.0");
    assert_eq!(cell(&verdict, 0, 0, "ok"), "15");
    assert_eq!(cell(&verdict, 0, 0, "failed"), "1");
    assert_eq!(cell(&verdict, 0, 0, "unknown"), "1");
    assert_eq!(cell(&verdict, 0, 0, "slowest (ms)"), "750.0");
}

#[test]
fn what_was_under_way_when_a_fault_came_does_not_show_that_work_goes_on() {
    let faults = [fault(600, Some(900))];
    let verdict = check(&gap().history, &faults, &Bounds::default());
    assert_eq!(cell(&verdict, 1, 0, "next success after (ms)"), "601.0");
    assert_eq!(cell(&verdict, 1, 0, "of what was begun since, after (ms)"), "603.0");
    assert_eq!(cell(&verdict, 1, 0, "lasted (s)"), "0.300");
    assert_eq!(cell(&verdict, 1, 0, "longest without a success (ms)"), "300.0");
    assert_eq!(cell(&verdict, 1, 0, "ok"), "1", "the slow one was under way");
}

#[test]
fn declared_bounds_are_judged_and_others_only_told() {
    let judge = |silence_ms_max, unblocked_ms_max| {
        check(&gap().history, &[fault(600, Some(900))], &Bounds { silence_ms_max, unblocked_ms_max })
    };
    assert_eq!(judge(None, None).finding, Finding::Holds);
    assert_eq!(judge(Some(699), Some(603)).finding, Finding::Holds);
    let silent = judge(Some(698), None);
    assert_eq!((silent.finding, silent.anomalies[0].class.as_str()), (Finding::Undecided, "silence"));
    assert_eq!(silent.anomalies[0].events.len(), 2);
    let blocked = judge(None, Some(602));
    assert_eq!((blocked.finding, blocked.anomalies[0].class.as_str()), (Finding::Undecided, "blocked"));
}

#[test]
fn a_fault_after_which_nothing_succeeds_is_found_only_if_it_was_tried_for_long_enough() {
    let mut written = Written::default();
    written.ok("quick", int(0));
    written.now_ms = 100;
    let bounds = Bounds { silence_ms_max: None, unblocked_ms_max: Some(500) };
    assert_eq!(
        check(&written.history, &[fault(50, None)], &bounds).finding,
        Finding::Holds,
        "nothing was tried"
    );
    written.invoke(1, "quick", int(0));
    written.now_ms = 400;
    written.unknown(2, "quick", int(0));
    assert_eq!(check(&written.history, &[fault(50, None)], &bounds).finding, Finding::Holds);
    written.now_ms = 700;
    written.unknown(3, "quick", int(0));
    let verdict = check(&written.history, &[fault(50, None)], &bounds);
    assert_eq!(verdict.finding, Finding::Undecided);
    assert_eq!(cell(&verdict, 1, 0, "of what was begun since, after (ms)"), "never");
    assert_eq!(cell(&verdict, 1, 0, "lasted (s)"), "to the end");
}

#[test]
fn without_a_success_nothing_is_known() {
    let mut written = Written::default();
    written.fail("quick", int(0), "conflict");
    assert_eq!(check(&written.history, &[], &Bounds::default()).finding, Finding::Unknown);
    assert_eq!(
        check(&Written::default().history, &[fault(0, None)], &Bounds::default()).finding,
        Finding::Unknown
    );
}
