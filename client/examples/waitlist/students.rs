//! The students: they enrol, wait and leave as their dice say, and write down what they were told.

use crate::{
    office::{self, Offer},
    stage::{self, Failure, Random},
};
use assent_client::{Client, RefusalKind, Transaction};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How large everything is.
#[derive(Clone, Copy)]
pub(crate) struct Campus {
    pub(crate) students: usize,
    pub(crate) courses: usize,
    pub(crate) capacity: u64,
}

/// What committed, as the students were told.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Direct enrolments less leavings, by course and student.
    pub(crate) places: BTreeMap<(String, String), i64>,
    /// When each join began, and when it was told to have happened, by course and student, in order.
    pub(crate) joins: BTreeMap<(String, String), Vec<(Instant, Instant)>>,
    pub(crate) enrolled: u64,
    pub(crate) left: u64,
    pub(crate) refused: u64,
}

impl Ledger {
    /// Adds another one's, of other students.
    pub(crate) fn take(&mut self, other: Ledger) {
        self.places.extend(other.places);
        self.joins.extend(other.joins);
        self.enrolled += other.enrolled;
        self.left += other.left;
        self.refused += other.refused;
    }
}

impl Campus {
    pub(crate) fn course(number: usize) -> String {
        format!("c{number}")
    }

    pub(crate) fn student(number: usize) -> String {
        format!("s{number}")
    }

    /// Every third student may take everything.
    pub(crate) fn credits_max(number: usize) -> i64 {
        if number.is_multiple_of(3) { 1000 } else { 14 }
    }

    /// The last two courses are at the same hour.
    pub(crate) fn offer(self, student: usize, course: usize) -> Offer {
        Offer {
            credits: 6,
            slot: format!("hour-{}", course.min(self.courses - 2)),
            capacity: self.capacity,
            credits_max: Campus::credits_max(student),
        }
    }

    /// The transaction that makes all students and courses.
    pub(crate) fn opening(self) -> Transaction {
        let mut opening = Transaction::new();
        for number in 0..self.courses {
            let (record, offer) = (format!("course/{}", Campus::course(number)), self.offer(0, number));
            opening = opening
                .set(&record, "credits", offer.credits)
                .set(&record, "slot", offer.slot)
                .set(&record, "capacity", i64::try_from(offer.capacity).unwrap_or(i64::MAX))
                .set(&record, "turns", 0)
                .set(&record, "waiting", 0);
        }
        for number in 0..self.students {
            let record = format!("student/{}", Campus::student(number));
            opening = opening.set(&record, "status", "active").set(&record, "credits", 0).set(
                &record,
                "credits_max",
                Campus::credits_max(number),
            );
        }
        opening
    }
}

/// The life of every `lanes`th student, until it is over.
pub(crate) async fn live(
    client: Client,
    campus: Campus,
    lane: usize,
    lanes: usize,
    seed: u64,
    over: Arc<AtomicBool>,
) -> Result<Ledger, Failure> {
    let client = client.session().await?;
    let mut random = Random::new(seed ^ ((lane as u64 + 1) << 32));
    let mut ledger = Ledger::default();
    while !over.load(Ordering::Relaxed) {
        let number = lane + lanes * random.below(campus.students / lanes);
        let choice = random.below(campus.courses);
        let (student, course) = (Campus::student(number), Campus::course(choice));
        let offer = campus.offer(number, choice);
        let place = (course.clone(), student.clone());
        match random.below(40) {
            0..=15 => wish(&client, &mut ledger, place, &offer).await?,
            16 => {
                let own = format!("student/{student}");
                for status in ["suspended", "active"] {
                    crate::commit(&client, &Transaction::new().set(&own, "status", status)).await?;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
            _ => leave(&client, &mut ledger, campus, number, &mut random).await?,
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // At last they only leave: nobody who joins brings to light what was overlooked.
    for number in (lane..campus.students).step_by(lanes) {
        leave(&client, &mut ledger, campus, number, &mut random).await?;
    }
    client.close().await;
    Ok(ledger)
}

/// Leaves one of the student's courses, if there is one.
async fn leave(
    client: &Client,
    ledger: &mut Ledger,
    campus: Campus,
    number: usize,
    random: &mut Random,
) -> Result<(), Failure> {
    let student = Campus::student(number);
    let known = stage::read(client, &format!("student/{student}")).await?.ok_or("a student is missing")?;
    let schedule = stage::set(&known, "schedule");
    let Some(course) = schedule.get(random.below(schedule.len())) else { return Ok(()) };
    let choice = (0..campus.courses).find(|course_number| Campus::course(*course_number) == *course);
    let offer = campus.offer(number, choice.ok_or("a course that nobody offers")?);
    match stage::commit(client, &office::leave(&student, course, &offer)).await {
        Ok(_) => {
            *ledger.places.entry((course.clone(), student)).or_default() -= 1;
            ledger.left += 1;
        }
        Err(_) => ledger.refused += 1,
    }
    Ok(())
}

/// Enrols, or waits if there is no place.
async fn wish(
    client: &Client,
    ledger: &mut Ledger,
    place: (String, String),
    offer: &Offer,
) -> Result<(), Failure> {
    let (course, student) = &place;
    let abort = match stage::commit(client, &office::enrol(student, course, offer)).await {
        Ok(_) => {
            *ledger.places.entry(place).or_default() += 1;
            ledger.enrolled += 1;
            return Ok(());
        }
        Err(abort) => abort,
    };
    let refusal = abort.refusal().ok_or_else(|| format!("not enrolled: {abort}"))?;
    // It is full, or others wait. Who may not come anyway sometimes waits too: perhaps they may when it is their turn.
    let own = refusal.record.table() == "student";
    if own && refusal.kind != RefusalKind::Bound {
        ledger.refused += 1;
        return Ok(());
    }
    let began = Instant::now();
    match stage::commit(client, &office::join(student, course)).await {
        Ok(_) => ledger.joins.entry(place).or_default().push((began, Instant::now())),
        Err(_) => ledger.refused += 1,
    }
    Ok(())
}
