//! `assent verify`: reads every student and course on every participant, and checks that they go together.
//!
//! On a loaded cluster too: what the scans of different nodes do not agree on is read again in a transaction.

mod bounds;
mod pairs;
pub(crate) mod report;
pub(crate) mod university;

use crate::{
    context::{self, Global},
    failure::{Failure, chain},
    settle::Settler,
    status::Status,
};
use assent_client::Nodes;
use clap::Args;
use report::{Kind, VerifyReport, Violation};
use std::time::{Duration, Instant};
use university::University;

/// How long transactions of a quiet cluster may take to be decided: the restart of a participant and a few rounds.
const QUIET_WITHIN: Duration = Duration::from_secs(5);
/// How long one read is tried on a loaded cluster.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to verify.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Nothing is running: a transaction that stays in doubt is wrong then
    #[arg(long)]
    quiet_cluster: bool,
}

/// Runs the command.
pub(crate) fn run(args: &VerifyArgs, global: &Global) -> Result<Status, Failure> {
    context::block_on(async {
        let (report, _) = verify(global, args.quiet_cluster).await?;
        global.output().print(&report)?;
        Ok(report.status())
    })
}

/// Verifies everything, and returns what was seen too. Needs a session, and so a coordinator, only where something has
/// to be read again.
pub(crate) async fn verify(global: &Global, quiet: bool) -> Result<(VerifyReport, University), Failure> {
    let started = Instant::now();
    let nodes = Nodes::new(&global.client_config()?);
    let in_doubt = if quiet { in_doubt_at_rest(&nodes).await? } else { count_in_doubt(&nodes).await? };
    let mut university = University::scan(&nodes, &global.load_cluster()?).await?;
    nodes.close().await;

    let mut violations = std::mem::take(&mut university.violations);
    let suspects = pairs::one_sided(&university);
    let (full, odd) = (bounds::full_looking(&university), bounds::odd_looking(&university));
    if !(suspects.is_empty() && full.is_empty() && odd.is_empty()) {
        let mut session = Settler::new(global.connect().await?, PATIENCE);
        violations.extend(pairs::reread(&mut session, &suspects).await?);
        for course in &full {
            violations.extend(bounds::reread_course(&mut session, course).await?);
        }
        for student in &odd {
            violations.extend(bounds::reread_student(&mut session, student).await?);
        }
        session.close().await;
    }
    if quiet && in_doubt > 0 {
        let what = format!("{in_doubt} transactions stay in doubt; list them with: assent in-doubt");
        violations.push(Violation { kind: Kind::InDoubt, what });
    }

    let mut report = VerifyReport {
        students: university.students.len() as u64,
        courses: university.courses.len() as u64,
        enrolments: university.students.values().map(|student| student.schedule.len() as u64).sum(),
        pairs_reread: suspects.len() as u64,
        records_reread: (full.len() + odd.len()) as u64,
        in_doubt,
        violations,
        seconds: started.elapsed().as_secs_f64(),
        result: "",
    };
    report.result = report.status().label();
    Ok((report, university))
}

/// Waits until nothing is in doubt, but not for ever.
async fn in_doubt_at_rest(nodes: &Nodes) -> Result<u64, Failure> {
    let started = Instant::now();
    loop {
        let count = count_in_doubt(nodes).await?;
        if count == 0 || started.elapsed() >= QUIET_WITHIN {
            return Ok(count);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn count_in_doubt(nodes: &Nodes) -> Result<u64, Failure> {
    let mut count = 0;
    for node in nodes.in_doubt().await {
        let found = node.reply.map_err(|error| {
            Failure::new(Status::Unreachable, format!("could not ask {} what is in doubt", node.name))
                .cause(chain(&error))
                .remedy("see whether it runs: assent cluster status")
        })?;
        count += found.len() as u64;
    }
    Ok(count)
}
