//! Compares what the cluster holds with what the files say, from consistent reads.

use super::run::Runner;
use crate::{failure::Failure, registrar::records};
use assent_client::Transaction;
use assent_protocol::operation::ReadResult;
use serde::Serialize;
use std::fmt;

/// Courses in one read.
const BATCH: usize = 100;

/// What the input says about one course.
pub(super) struct Counts {
    /// As the file calls it.
    pub(super) course: String,
    /// The id of its record.
    pub(super) id: String,
    /// The file's own count.
    pub(super) file: u64,
    /// What the lines that were taken add up to.
    pub(super) lines: u64,
}

/// All courses, compared.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// How many.
    pub(super) courses: u64,
    /// Their rosters, added up.
    pub(super) enrolments: u64,
    /// Those of which not all three counts are the same.
    pub(super) differing: Vec<Differing>,
}

/// A course whose counts differ.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Differing {
    course: String,
    /// The file's own count.
    file: u64,
    /// What the lines that were taken add up to.
    lines: u64,
    /// What the cluster holds.
    cluster: u64,
}

impl Differing {
    /// Whether the cluster holds something else than the lines that were taken: then it is not the input's fault.
    pub(super) fn is_wrong(&self) -> bool {
        self.cluster != self.lines
    }
}

impl fmt::Display for Differing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Differing { course, file, lines, cluster } = self;
        write!(f, "course {course}: {file} in the file, {lines} in the lines taken, {cluster} on the cluster")
    }
}

/// Reads the roster sizes and compares.
pub(super) async fn with_rosters(runner: &mut Runner, counts: Vec<Counts>) -> Result<Compared, Failure> {
    let mut compared = Compared { courses: counts.len() as u64, ..Compared::default() };
    for batch in counts.chunks(BATCH) {
        let reads = batch.iter().fold(Transaction::new(), |reads, counts| {
            reads.read_count(records::course(&counts.id), records::ROSTER)
        });
        let seen = runner.read(reads).await?;
        for (counts, seen) in batch.iter().zip(seen) {
            let ReadResult::Count(cluster) = seen else { continue };
            compared.enrolments += cluster;
            if cluster != counts.lines || cluster != counts.file {
                let Counts { course, file, lines, .. } = counts;
                compared.differing.push(Differing {
                    course: course.clone(),
                    file: *file,
                    lines: *lines,
                    cluster,
                });
            }
        }
    }
    Ok(compared)
}
