//! An enrolment day: more students than places, all at once, through the typed registrar.
//!
//! Run it in the directory of a local cluster (`assent cluster up --dir DIR`, then `cd DIR`):
//!
//! ```text
//! cargo run --release -p assent-client --example enrolment_day
//! ```

use assent_client::{
    Client, ClientConfig,
    registrar::{Failure, NewCourse, NewStudent, Refused, Registrar},
};
use std::{collections::BTreeMap, error::Error, path::PathBuf};

const STUDENTS: u32 = 200;
const CAPACITY: u64 = 50;
const SESSIONS: u32 = 8;

/// Enrols one student: in both courses if there is room, or else in the one that is large enough for all.
async fn enrol(registrar: &Registrar, student: &str) -> Result<&'static str, Failure> {
    match registrar.enroll(student, &["LOGIC", "POETRY"]).await {
        Ok(_) => return Ok("both courses"),
        Err(Failure::Refused(Refused::CourseFull { .. })) => {}
        // Nobody knows yet. Settle it: then it has happened, or never will.
        Err(Failure::Unknown(handle)) => {
            if registrar.resolve(&handle).await.is_ok() {
                return Ok("both courses");
            }
        }
        Err(other) => return Err(other),
    }
    registrar.enroll(student, &["POETRY"]).await.map(|_| "poetry only")
}

/// Adding what a run before this one has added is no failure.
fn unless_there<T>(added: Result<T, Failure>) -> Result<(), Failure> {
    match added {
        Ok(_) | Err(Failure::Refused(Refused::StudentExists { .. } | Refused::CourseExists { .. })) => Ok(()),
        Err(other) => Err(other),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    let keys = dir.join("keys");
    let config = ClientConfig::load(
        dir.join("cluster.toml"),
        keys.join("client-admin.crt"),
        keys.join("client-admin.key"),
        keys.join("ca.crt"),
    )?;
    let client = Client::connect(config).await?;
    let registrar = Registrar::new(client.clone());

    for (id, title, capacity) in [("LOGIC", "Mathematical logic", Some(CAPACITY)), ("POETRY", "Poetry", None)]
    {
        let course = NewCourse { id: id.to_owned(), title: title.to_owned(), credits: 6, capacity };
        unless_there(registrar.add_course(&course).await)?;
    }
    // Sessions spread the load over the coordinators.
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(registrar.with_client(client.session().await?));
    }
    let day: Vec<_> = (0..SESSIONS)
        .zip(&sessions)
        .map(|(session, registrar)| {
            let registrar = registrar.clone();
            tokio::spawn(async move {
                let mut results: BTreeMap<String, u32> = BTreeMap::new();
                for number in (session..STUDENTS).step_by(SESSIONS as usize) {
                    let id = format!("day-{number}");
                    let student = NewStudent {
                        id: id.clone(),
                        name: format!("Student {number}"),
                        credits_max: Some(30),
                    };
                    let result = match unless_there(registrar.add_student(&student).await) {
                        Ok(()) => enrol(&registrar, &id).await,
                        Err(failure) => Err(failure),
                    };
                    let word = result.map_or_else(|failure| failure.to_string(), str::to_owned);
                    *results.entry(word).or_default() += 1;
                }
                results
            })
        })
        .collect();
    let mut results: BTreeMap<String, u32> = BTreeMap::new();
    for part in day {
        for (word, count) in part.await? {
            *results.entry(word).or_default() += count;
        }
    }
    for (word, count) in results {
        println!("{count:>4}  {word}");
    }

    let logic = registrar.roster("LOGIC").await?;
    println!("{} of {CAPACITY} places in {} are taken", logic.roster.len(), logic.title);
    for student in &logic.roster {
        let student = registrar.schedule(student).await?;
        assert!(
            student.schedule.iter().any(|course| course == "LOGIC"),
            "a roster entry has its schedule entry"
        );
    }
    for session in sessions {
        session.client().clone().close().await;
    }
    client.close().await;
    Ok(())
}
