//! What the registrar's office does with a message of `seats`: it deals with the first who waits for a course.
//!
//! `course/C`: {credits, slot, capacity, roster: set, waitlist: list of all who ever joined, turns: how many of these had
//! their turn, waiting: the others, outcomes: list of what became of each turn}.
//! `student/S`: {status, credits, credits_max, schedule: set of courses, slots: set of hours, waiting: set of courses}.

use crate::stage::{self, Failure};
use assent_client::{
    Client, RecordContent, Transaction,
    mail::{Delivery, NewMessage},
};

/// Joins the waitlist at its end. Refused to who waits there already.
pub(crate) fn join(student: &str, course: &str) -> Transaction {
    let record = format!("course/{course}");
    Transaction::new()
        .insert(format!("student/{student}"), "waiting", course, None)
        .append(&record, "waitlist", student)
        .add(&record, "waiting", 1, ..)
        .send(look(course).from(&record))
}

/// Takes a place at once. Refused while anybody waits: they come first.
pub(crate) fn enrol(student: &str, course: &str, offer: &Offer) -> Transaction {
    take_a_place(Transaction::new(), student, course, offer).require_equals(
        format!("course/{course}"),
        "waiting",
        0,
    )
}

/// Gives a place back.
pub(crate) fn leave(student: &str, course: &str, offer: &Offer) -> Transaction {
    let (own, record) = (format!("student/{student}"), format!("course/{course}"));
    Transaction::new()
        .remove(&own, "schedule", course, None)
        .remove(&own, "slots", &offer.slot, None)
        .add(&own, "credits", -offer.credits, ..)
        .remove(&record, "roster", student, None)
        .send(look(course).from(&record))
}

/// What never changes about a course and a student.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) credits: i64,
    pub(crate) slot: String,
    pub(crate) capacity: u64,
    pub(crate) credits_max: i64,
}

/// Whoever gets this looks whether a seat and a student can be brought together.
fn look(course: &str) -> NewMessage {
    NewMessage::new("seats", course).key(course)
}

fn take_a_place(transaction: Transaction, student: &str, course: &str, offer: &Offer) -> Transaction {
    let own = format!("student/{student}");
    transaction
        .require_equals(&own, "status", "active")
        .insert(&own, "schedule", course, None)
        .insert(&own, "slots", &offer.slot, None)
        .add(&own, "credits", offer.credits, ..=offer.credits_max)
        .insert(format!("course/{course}"), "roster", student, offer.capacity)
}

/// The processor's function.
pub(crate) async fn fill_a_seat(
    client: Client,
    message: Delivery,
    transaction: Transaction,
) -> Result<Transaction, Failure> {
    let name = message.text().ok_or("the message names no course")?;
    let record = format!("course/{name}");
    let course = stage::read(&client, &record).await?.ok_or("there is no such course")?;
    let (turn, waiting) = (stage::integer(&course, "turns"), stage::integer(&course, "waiting"));
    let capacity = u64::try_from(stage::integer(&course, "capacity"))?;
    let taken = stage::set(&course, "roster").len() as u64;
    if waiting == 0 || taken >= capacity {
        // Whoever changes that later sends a message that is dealt with after this one.
        return Ok(transaction);
    }
    let waitlist = stage::list(&course, "waitlist");
    let student = waitlist.get(usize::try_from(turn)?).ok_or("more are waiting than have joined")?;
    let own = format!("student/{student}");
    let known = stage::read(&client, &own).await?.ok_or("there is no such student")?;
    let obstacle = obstacle(&known, name, &course);
    let verdict = obstacle.unwrap_or("enrolled");
    // What is decided here holds only for the student as they were read; if they have changed, it is decided again.
    let mut transaction = transaction
        .require_version(&own, known.version.0)
        .remove(&own, "waiting", name, None)
        .require_equals(&record, "turns", turn)
        .set(&record, "turns", turn + 1)
        .add(&record, "waiting", -1, 0..)
        .append(&record, "outcomes", format!("{student} {verdict}"))
        .send(NewMessage::new("notices", format!("{name} {turn} {verdict}")).key(student));
    if obstacle.is_none() {
        let offer = Offer {
            credits: stage::integer(&course, "credits"),
            slot: slot(&course),
            capacity,
            credits_max: stage::integer(&known, "credits_max"),
        };
        transaction = take_a_place(transaction, student, name, &offer);
    }
    Ok(if waiting > 1 { transaction.send(look(name)) } else { transaction })
}

/// Why the student may not come any more.
fn obstacle(student: &RecordContent, name: &str, course: &RecordContent) -> Option<&'static str> {
    let credits = stage::integer(student, "credits") + stage::integer(course, "credits");
    if stage::text(student, "status") != "active" {
        Some("inactive")
    } else if stage::set(student, "schedule").iter().any(|course| course == name) {
        Some("there-already")
    } else if stage::set(student, "slots").contains(&slot(course)) {
        Some("clash")
    } else if credits > stage::integer(student, "credits_max") {
        Some("credits")
    } else {
        None
    }
}

pub(crate) fn slot(course: &RecordContent) -> String {
    stage::text(course, "slot")
}
