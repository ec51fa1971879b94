//! `assent import oulad`: every student's registrations and unregistrations in the order of their dates.

use super::{
    Pace,
    compare::{self, Counts},
    input,
    job::{Chain, Job, Origin, Student},
    oulad_file::{Event, EventKind, Registrations},
    report::ImportReport,
    run::Runner,
};
use crate::{context::Global, failure::Failure};
use clap::Args;
use std::{collections::BTreeMap, path::PathBuf};

/// The name of the data set in markers.
const DATASET: &str = "oulad";

/// Which file.
#[derive(Debug, Args)]
pub(super) struct OuladArgs {
    /// studentRegistration.csv
    #[arg(long, value_name = "FILE")]
    registrations: PathBuf,
    #[command(flatten)]
    pace: Pace,
}

/// Imports and compares.
pub(super) async fn import(args: &OuladArgs, global: &Global) -> Result<ImportReport, Failure> {
    let name = input::short_name(&args.registrations);
    let read = Registrations::parse(&name, &input::read(&args.registrations)?)?;
    let mut runner = Runner::connect(global, &args.pace).await?;
    let credits =
        runner.create_courses(read.counts.keys().map(|id| (id.clone(), id.clone())).collect()).await?;
    runner.run("replaying", &name, chains(&read, &credits)).await?;

    let expected = read.expected();
    let counts = read.counts.iter().map(|(course, &file)| Counts {
        course: course.clone(),
        id: course.clone(),
        file,
        lines: expected.get(course.as_str()).copied().unwrap_or(0),
    });
    let compared = compare::with_rosters(&mut runner, counts.collect()).await?;
    let mut report = ImportReport::new(DATASET, read.remarks, compared, runner.finish().await);
    report.lines = read.rows;
    if read.undated > 0 {
        report
            .notes
            .push(format!("{} rows have no registration date: replayed before all others", read.undated));
    }
    if read.backdated > 0 {
        report.notes.push(format!(
            "{} rows have an unregistration before their registration: replayed right after it",
            read.backdated
        ));
    }
    Ok(report)
}

fn chains(read: &Registrations, credits: &BTreeMap<String, i64>) -> Vec<Chain> {
    read.students.iter().map(|(student, events)| chain(student, events, credits)).collect()
}

fn chain(student: &str, events: &[Event], credits: &BTreeMap<String, i64>) -> Chain {
    let job = |(at, event): (usize, &Event)| {
        let cost = credits.get(&event.course).copied().unwrap_or(0);
        let origin = |part| Origin { dataset: DATASET, line: event.line, part, student };
        // The first event is always a registration: no unregistration comes before its own.
        let state = if at == 0 { Student::New } else { Student::Known };
        match event.kind {
            EventKind::Register => Job::enrol(&origin("in"), state, &[(&event.course, cost)]),
            EventKind::Unregister => Job::drop(&origin("out"), &event.course, cost),
        }
    };
    events.iter().enumerate().map(job).collect()
}
