//! How long things took, for metrics: a machine notes spans, whoever runs it publishes them.

/// What took long, or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Span {
    /// Coordinator: from the request to the answer of a transaction that writes.
    Commit,
    /// Coordinator: from the request to the answer of a transaction that writes nothing.
    Read,
    /// Coordinator: from the request to the last vote of a committed transaction.
    VoteRound,
    /// Participant: from a Prepare that found its locks taken to its vote.
    LockWait,
    /// Participant: from the arrival of a Prepare to the outcome.
    InDoubt,
}

impl Span {
    /// All spans.
    pub const ALL: [Span; 5] = [Span::Commit, Span::Read, Span::VoteRound, Span::LockWait, Span::InDoubt];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Span::Commit => "commit",
            Span::Read => "read",
            Span::VoteRound => "vote_round",
            Span::LockWait => "lock_wait",
            Span::InDoubt => "in_doubt",
        }
    }
}
