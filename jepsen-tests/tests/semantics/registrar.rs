use crate::written::{Written, assert_holds, classes, int, ints, map};
use assent_lab::{
    checkers::registrar::check,
    history::{Kind, Value},
    verdict::Finding,
};

/// Two students with 5 credits at most, two courses of 2 and 3 credits, with one and two places.
fn university() -> Written {
    let mut written = Written::default();
    for student in 0..2 {
        written.ok("add-student", map(&[("student", int(student)), ("credits-max", int(5))]));
    }
    for course in 0..2 {
        let limits = [("course", int(course)), ("credits", int(2 + course)), ("capacity", int(1 + course))];
        written.ok("add-course", map(&limits));
    }
    written
}

fn pair(student: i64, course: i64) -> Value {
    map(&[("student", int(student)), ("course", int(course))])
}

fn transfer(student: i64, from: i64, to: i64) -> Value {
    map(&[("student", int(student)), ("from", int(from)), ("to", int(to))])
}

fn course(id: i64) -> Value {
    map(&[("course", int(id))])
}

/// What a read saw: students with schedule and credits, courses with roster.
fn read(students: &[(i64, &[i64], i64)], courses: &[(i64, &[i64])]) -> Value {
    let students = students.iter().map(|(id, schedule, credits)| {
        (
            int(*id),
            map(&[
                ("schedule", ints(schedule)),
                ("credits", int(*credits)),
                ("status", Value::Text("active".into())),
            ]),
        )
    });
    let courses = courses.iter().map(|(id, roster)| {
        (int(*id), map(&[("roster", ints(roster)), ("state", Value::Text("open".into()))]))
    });
    map(&[("students", Value::Map(students.collect())), ("courses", Value::Map(courses.collect()))])
}

fn found(write: impl FnOnce(&mut Written)) -> Vec<String> {
    let mut written = university();
    write(&mut written);
    classes(&check(&written.history)).into_iter().map(str::to_owned).collect()
}

fn holds(write: impl FnOnce(&mut Written)) {
    let mut written = university();
    write(&mut written);
    assert_holds(&check(&written.history));
}

#[test]
fn a_clean_history_holds() {
    holds(|it| {
        it.ok("enrol", pair(0, 0));
        it.fail("enrol", pair(1, 0), "bound");
        it.fail("enrol", pair(0, 0), "member_exists");
        it.fail("drop", pair(1, 1), "member_absent");
        it.ok("transfer", transfer(0, 0, 1));
        it.ok("close", course(1));
        it.fail("enrol", pair(1, 1), "requirement");
        it.ok("open", course(1));
        it.ok("enrol", pair(1, 1));
        it.ok("read", read(&[(0, &[1], 3), (1, &[1], 3)], &[(0, &[]), (1, &[0, 1])]));
        it.ok("drop", pair(0, 1));
        it.ok("read", read(&[(0, &[], 0)], &[(1, &[1])]));
    });
}

#[test]
fn without_reads_of_both_sides_nothing_is_known() {
    let mut written = university();
    written.ok("enrol", pair(0, 0));
    written.ok("read", read(&[(0, &[0], 2)], &[]));
    assert_eq!(check(&written.history).finding, Finding::Unknown);
    written.ok("read", read(&[(0, &[0], 2)], &[(0, &[0])]));
    assert_holds(&check(&written.history));
}

#[test]
fn a_schedule_without_the_roster_is_half_an_enrolment() {
    let classes = found(|it| {
        it.ok("enrol", pair(0, 0));
        it.ok("read", read(&[(0, &[0], 2)], &[(0, &[])]));
    });
    assert_eq!(classes, ["half an enrolment"]);
}

#[test]
fn a_roster_without_the_schedule_is_half_an_enrolment() {
    let classes = found(|it| {
        it.ok("enrol", pair(0, 0));
        it.ok("read", read(&[(0, &[], 0)], &[(0, &[0])]));
    });
    assert_eq!(classes, ["half an enrolment"]);
}

#[test]
fn too_many_students_are_over_capacity() {
    let classes = found(|it| {
        it.ok("enrol", pair(0, 0));
        it.ok("enrol", pair(1, 0));
        it.ok("read", read(&[(0, &[0], 2)], &[(0, &[0, 1])]));
    });
    assert_eq!(classes, ["over capacity"]);
}

#[test]
fn credits_are_those_of_the_schedule_and_within_the_limit() {
    let classes = found(|it| {
        it.ok("enrol", pair(0, 0));
        it.ok("read", read(&[(0, &[0], 3)], &[(0, &[0])]));
    });
    assert_eq!(classes, ["wrong credits"]);
    let classes = found(|it| {
        it.ok("add-course", map(&[("course", int(2)), ("credits", int(4)), ("capacity", int(9))]));
        it.ok("enrol", pair(0, 1));
        it.ok("enrol", pair(0, 2));
        it.ok("read", read(&[(0, &[1, 2], 7)], &[(1, &[0])]));
    });
    assert_eq!(classes, ["too many credits"]);
}

#[test]
fn an_acknowledged_enrolment_that_is_gone_is_lost() {
    let mut written = university();
    let enrolled = written.ok("enrol", pair(0, 0));
    let line = written.ok("read", read(&[(0, &[], 0)], &[(0, &[])]));
    let verdict = check(&written.history);
    assert_eq!(classes(&verdict), ["lost enrolment"]);
    let anomaly = &verdict.anomalies[0];
    assert!(anomaly.events.contains(&line) && anomaly.events.contains(&enrolled), "{anomaly:?}");
    assert!(anomaly.words.contains(&format!("index {enrolled}")), "{}", anomaly.words);
}

#[test]
fn a_refused_enrolment_that_is_there_is_a_phantom() {
    let classes = found(|it| {
        it.ok("enrol", pair(0, 1));
        it.fail("enrol", pair(1, 1), "conflict");
        it.ok("read", read(&[(1, &[1], 3)], &[(1, &[0, 1])]));
    });
    assert_eq!(classes, ["phantom enrolment"]);
}

#[test]
fn a_drop_under_way_or_unknown_explains_an_absence() {
    holds(|it| {
        it.ok("enrol", pair(0, 0));
        it.invoke(1, "drop", pair(0, 0));
        it.ok("read", read(&[(0, &[], 0)], &[(0, &[])]));
        it.line(1, Kind::Ok, "drop", pair(0, 0), None);
    });
    holds(|it| {
        it.ok("enrol", pair(0, 0));
        it.unknown(1, "drop", pair(0, 0));
        it.ok("read", read(&[(0, &[0], 2)], &[(0, &[0])]));
        it.ok("read", read(&[(0, &[], 0)], &[(0, &[])]));
    });
}

#[test]
fn what_was_seen_gone_does_not_come_back_by_itself() {
    let classes = found(|it| {
        it.ok("enrol", pair(0, 0));
        it.unknown(1, "drop", pair(0, 0));
        it.ok("read", read(&[(0, &[], 0)], &[(0, &[])]));
        it.ok("read", read(&[(0, &[0], 2)], &[(0, &[0])]));
    });
    assert_eq!(classes, ["phantom enrolment"]);
}

#[test]
fn a_stale_roster_is_found_though_nothing_else_was_read() {
    let classes = found(|it| {
        it.ok("enrol", pair(0, 0));
        it.ok("read", read(&[(0, &[0], 2)], &[(0, &[0])]));
        it.ok("drop", pair(0, 0));
        it.ok("read", read(&[], &[(0, &[0])]));
    });
    assert_eq!(classes, ["phantom enrolment"]);
}

#[test]
fn two_enrolments_without_a_drop_are_found() {
    let classes = found(|it| {
        it.ok("enrol", pair(0, 0));
        it.ok("enrol", pair(0, 0));
        it.ok("read", read(&[(0, &[0], 2)], &[(0, &[0])]));
    });
    assert_eq!(classes, ["enrolled twice"]);
}

#[test]
fn a_drop_of_who_was_not_there_is_found() {
    let classes = found(|it| {
        it.ok("enrol", pair(0, 0));
        it.ok("drop", pair(0, 1));
        it.ok("read", read(&[(0, &[0], 2)], &[(0, &[0])]));
    });
    assert_eq!(classes, ["dropped from nowhere"]);
}

#[test]
fn half_a_transfer_is_found() {
    let classes = found(|it| {
        it.ok("enrol", pair(0, 0));
        it.ok("transfer", transfer(0, 0, 1));
        it.ok("read", read(&[(0, &[0, 1], 5)], &[(0, &[0]), (1, &[0])]));
    });
    assert_eq!(classes, ["phantom enrolment"]);
}

#[test]
fn an_enrolment_into_a_closed_course_is_found() {
    let classes = found(|it| {
        it.ok("close", course(0));
        it.ok("enrol", pair(0, 0));
        it.ok("open", course(0));
        it.ok("read", read(&[(0, &[0], 2)], &[(0, &[0])]));
    });
    assert_eq!(classes, ["enrolled while closed"]);
}

#[test]
fn a_course_that_reads_open_while_closed_is_in_the_wrong_state() {
    let classes = found(|it| {
        it.ok("enrol", pair(0, 0));
        it.ok("close", course(0));
        it.ok("read", read(&[(0, &[0], 2)], &[(0, &[0])]));
    });
    assert_eq!(classes, ["wrong state"]);
}

#[test]
fn refusals_without_cause_are_found() {
    for (f, value, error) in [
        ("enrol", pair(0, 1), "member_exists"),
        ("enrol", pair(0, 1), "requirement"),
        ("drop", pair(0, 0), "member_absent"),
        ("transfer", transfer(0, 0, 1), "member_exists"),
    ] {
        let classes = found(|it| {
            it.ok("enrol", pair(0, 0));
            it.fail(f, value, error);
            it.ok("read", read(&[(0, &[0], 2)], &[(0, &[0])]));
        });
        assert_eq!(classes, ["refused without cause"], "{f} {error}");
    }
}

#[test]
fn a_read_that_tells_nothing_or_of_a_student_that_is_gone_is_found() {
    let gone = map(&[("record", Value::Nil)]);
    let students = Value::Map(vec![(int(1), gone)]);
    for value in [
        Value::Keyword("missing".into()),
        map(&[("students", students), ("courses", Value::Map(Vec::new()))]),
    ] {
        let classes = found(|it| {
            it.ok("enrol", pair(0, 0));
            it.ok("read", value);
        });
        assert_eq!(classes, ["impossible read"]);
    }
}
