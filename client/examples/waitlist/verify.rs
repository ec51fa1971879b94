//! Reads all records and checks what they say, against each other and against what the students were told. Knows nothing of
//! how the office works.

use crate::{
    office,
    stage::{self, Failure},
    students::{Campus, Ledger},
};
use assent_client::{Client, RecordContent};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// All records by name.
pub(crate) type Records = BTreeMap<String, RecordContent>;

/// Every record of every participant, none through a transaction.
pub(crate) async fn read_everything(client: &Client) -> Result<Records, Failure> {
    let mut records = Records::new();
    for node in client.scan(None).await {
        records.extend(node.reply?.into_iter().map(|(id, record)| (id.to_string(), record)));
    }
    Ok(records)
}

/// What became of the turns.
pub(crate) fn summary(ledger: &Ledger, records: &Records) -> String {
    let mut verdicts: BTreeMap<String, u64> = BTreeMap::new();
    for (name, record) in records {
        if name.starts_with("course/") {
            for outcome in stage::list(record, "outcomes") {
                let verdict = outcome.split(' ').nth(1).unwrap_or_default().to_owned();
                *verdicts.entry(verdict).or_default() += 1;
            }
        }
    }
    let joined: usize = ledger.joins.values().map(Vec::len).sum();
    format!(
        "{} enrolled at once, {joined} waited, {} left, {} refused; turns: {verdicts:?}; every check holds",
        ledger.enrolled, ledger.left, ledger.refused
    )
}

/// Everything that is wrong, in words.
pub(crate) fn differences(campus: Campus, ledger: &Ledger, records: &Records) -> Vec<String> {
    let mut check =
        Check { ledger, records, wrong: Vec::new(), seated: BTreeMap::new(), letters: Vec::new() };
    (0..campus.courses).for_each(|course| check.course(campus, course));
    (0..campus.students).for_each(|student| check.student(campus, student));
    check.places(campus);
    check.letters();
    check.wrong
}

struct Check<'a> {
    ledger: &'a Ledger,
    records: &'a Records,
    wrong: Vec<String>,
    /// How often somebody was enrolled from a waitlist, by course and student.
    seated: BTreeMap<(String, String), i64>,
    /// The letters that there should be, with their receivers.
    letters: Vec<(String, String)>,
}

impl Check<'_> {
    fn record(&mut self, name: &str) -> RecordContent {
        let record = self.records.get(name).cloned();
        record.unwrap_or_else(|| {
            self.wrong.push(format!("{name} is missing"));
            RecordContent { version: assent_client::Version(0), fields: BTreeMap::new() }
        })
    }

    fn require(&mut self, holds: bool, words: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(words());
        }
    }

    fn course(&mut self, campus: Campus, number: usize) {
        let name = Campus::course(number);
        let record = self.record(&format!("course/{name}"));
        let (roster, waitlist) = (stage::set(&record, "roster"), stage::list(&record, "waitlist"));
        let (outcomes, turns) = (stage::list(&record, "outcomes"), stage::integer(&record, "turns"));
        let waiting = waitlist.len() as i64 - turns;
        let seats = campus.capacity as i64 - roster.len() as i64;
        self.require(seats >= 0, || format!("{name} has {} more than it can take", -seats));
        self.require(seats == 0 || waiting == 0, || {
            format!("{name}: {seats} seats are idle while {waiting} wait")
        });
        self.require(waiting == stage::integer(&record, "waiting"), || {
            format!("{name} counts wrongly who waits")
        });
        self.require(turns == outcomes.len() as i64, || format!("{name}: {turns} turns, {outcomes:?}"));
        for (turn, (student, outcome)) in waitlist.iter().zip(&outcomes).enumerate() {
            let verdict = outcome.strip_prefix(&format!("{student} "));
            self.require(verdict.is_some(), || {
                format!("{name}: turn {turn} was {student}'s, not {outcome:?}")
            });
            let Some(verdict) = verdict else { continue };
            self.letters.push((student.clone(), format!("{name} {turn} {verdict}")));
            if verdict == "enrolled" {
                *self.seated.entry((name.clone(), student.clone())).or_default() += 1;
            }
            // Who may take everything is refused only for an hour that is taken, or while suspended.
            let free = student[1..].parse::<usize>().is_ok_and(|number| Campus::credits_max(number) == 1000);
            let allowed = match verdict {
                "credits" => !free,
                "clash" => number >= campus.courses - 2,
                "enrolled" | "inactive" | "there-already" => true,
                _ => false,
            };
            self.require(allowed, || format!("{name}: {student} was skipped without cause: {verdict}"));
        }
        self.order(&name, &waitlist);
    }

    /// The waitlist holds all joins that were told to have happened, and no others, and whoever was told before another one
    /// began stands before them.
    fn order(&mut self, course: &str, waitlist: &[String]) {
        let mut latest: Option<Instant> = None;
        let mut used: BTreeMap<&str, usize> = BTreeMap::new();
        let mut times = Vec::new();
        for student in waitlist {
            let nth = used.entry(student.as_str()).or_default();
            let join =
                self.ledger.joins.get(&(course.to_owned(), student.clone())).and_then(|all| all.get(*nth));
            *nth += 1;
            self.require(join.is_some(), || {
                format!("{course}: {student} joined {nth} times and was told less")
            });
            times.extend(join.copied());
        }
        for (began, told) in times {
            // `latest` is the latest beginning so far: one that was told before it should have stood before it.
            let kept = latest.is_none_or(|latest| told >= latest);
            self.require(kept, || format!("{course}: somebody stands behind one who came after them"));
            latest = latest.max(Some(began));
        }
        for ((_, student), joins) in self.ledger.joins.iter().filter(|((name, _), _)| name == course) {
            let there = used.get(student.as_str()).copied().unwrap_or(0);
            let told = joins.len();
            if there < told {
                self.wrong
                    .push(format!("{course}: {student} was told of {told} joins, and {there} are there"));
            }
        }
    }

    fn student(&mut self, campus: Campus, number: usize) {
        let name = Campus::student(number);
        let record = self.record(&format!("student/{name}"));
        let schedule = stage::set(&record, "schedule");
        let credits = stage::integer(&record, "credits");
        self.require(credits <= Campus::credits_max(number), || format!("{name} has {credits} credits"));
        self.require(credits == 6 * schedule.len() as i64, || {
            format!("{name}: {credits} credits, {schedule:?}")
        });
        let courses = schedule.iter().filter_map(|course| self.records.get(&format!("course/{course}")));
        let slots: BTreeSet<String> = courses.map(office::slot).collect();
        let held: BTreeSet<String> = stage::set(&record, "slots").into_iter().collect();
        self.require(slots.len() == schedule.len() && slots == held, || {
            format!("{name}: {schedule:?}, {held:?}")
        });
        for number in 0..campus.courses {
            let course = Campus::course(number);
            let record_of_course = self.record(&format!("course/{course}"));
            let in_roster = stage::set(&record_of_course, "roster").contains(&name);
            self.require(schedule.contains(&course) == in_roster, || {
                format!("{name} and {course} do not agree")
            });
            let turns = usize::try_from(stage::integer(&record_of_course, "turns")).unwrap_or(0);
            let waits =
                stage::list(&record_of_course, "waitlist").iter().skip(turns).filter(|s| **s == name).count();
            let says = usize::from(stage::set(&record, "waiting").contains(&course));
            self.require(waits == says, || {
                format!("{name} waits {waits} times for {course}, and says {says}")
            });
        }
    }

    /// Every place is the sum of what was told: enrolled at once or from the waitlist, and left.
    fn places(&mut self, campus: Campus) {
        for course in (0..campus.courses).map(Campus::course) {
            let roster = stage::set(&self.record(&format!("course/{course}")), "roster");
            for student in (0..campus.students).map(Campus::student) {
                let place = (course.clone(), student.clone());
                let told = self.ledger.places.get(&place).copied().unwrap_or(0);
                let sum = told + self.seated.get(&place).copied().unwrap_or(0);
                let there = i64::from(roster.contains(&student));
                self.require(sum == there, || {
                    format!("{student} has {there} places in {course}, and was given {sum}")
                });
            }
        }
    }

    /// One letter for each turn, and no other.
    fn letters(&mut self) {
        let mut expected = std::mem::take(&mut self.letters);
        let letterboxes = self.records.iter().filter_map(|(name, record)| {
            name.strip_prefix("letterbox/").map(|student| (student, stage::list(record, "letters")))
        });
        let mut found: Vec<(String, String)> = letterboxes
            .flat_map(|(student, letters)| letters.into_iter().map(|letter| (student.to_owned(), letter)))
            .collect();
        expected.sort();
        found.sort();
        let (sent, there) = (expected.len(), found.len());
        self.require(expected == found, || {
            format!("{sent} letters should be there, and {there} are, or others")
        });
    }
}
