//! The catalogue of canaries, in the order of the rules that they break (`docs/protocol.md`).
//!
//! Each is a mistake that somebody could make: a check left out, a write forgotten, a set taken for another. None is made
//! to be found easily.

use super::Site;

/// Makes the enum and its tables from one line each: variant, name, rule, site, what is broken.
macro_rules! catalogue {
    ($($(#[$harm:meta])* $variant:ident $name:literal $rule:ident $site:ident $words:literal;)*) => {
        /// One broken rule: what is broken, and what goes wrong by it.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Canary {
            $(
                #[doc = concat!(stringify!($rule), ": ", $words, ".")]
                #[doc = ""]
                $(#[$harm])*
                $variant,
            )*
        }

        impl Canary {
            /// All of them, in the order of the rules.
            pub const ALL: &[Canary] = &[$(Canary::$variant),*];

            /// Its name, for ever the same.
            pub fn name(self) -> &'static str {
                match self { $(Canary::$variant => $name,)* }
            }

            /// The rule that it breaks, as `R4`; `Locks` where it is the lock table's.
            pub fn rule(self) -> &'static str {
                match self { $(Canary::$variant => stringify!($rule),)* }
            }

            /// Where the rule is broken.
            pub fn site(self) -> Site {
                match self { $(Canary::$variant => Site::$site,)* }
            }

            /// What is broken.
            pub fn words(self) -> &'static str {
                match self { $(Canary::$variant => $words,)* }
            }
        }
    };
}

catalogue! {
    /// The one that has not voted may still refuse: half of the transaction happens.
    CommitWithVoteMissing "commit-with-vote-missing" R1 Machine
        "a coordinator concludes a commit while one vote is missing";
    /// A vote that the network doubles stands in for the missing one.
    VoteCountedTwice "vote-counted-twice" R1 Machine
        "a coordinator counts votes, not the participants that voted";

    /// A Prepare that comes twice, or late, is voted Yes after the client was told "aborted".
    NoNotKept "no-not-kept" R2 Machine "a No is told and not written";
    /// The same, where a crash loses the No.
    NoBeforeSync "no-before-sync" R2 Runtime "an abort is told before it is synced";
    /// The first attempt's client was told "aborted"; the second attempt commits.
    AbortReversed "abort-reversed" R2 Machine "a Prepare is voted on although an abort is held";
    /// Its Prepare is still under way and is voted on once there is room; the others hold a Yes.
    DeclinedTakenForNo "declined-taken-for-no" R2 Machine
        "a coordinator takes a refusal that nobody wrote, of a full disk, for a durable abort";
    /// The Prepare comes after its veto, and is voted Yes.
    VetoOfBlankNotKept "veto-of-blank-not-kept" R2 Machine
        "a veto where nothing is held is confirmed, and nothing is written";

    /// All may have voted Yes: they find the commit out among themselves.
    AbortWithoutVeto "abort-without-veto" R3 Machine
        "a coordinator that gives up says aborted at once, without a durable abort";
    /// Another coordinator turns a vote that the sponsor has counted.
    VetoByAnySponsor "veto-by-any-sponsor" R3 Machine "a Yes is vetoed by who did not ask for it";
    /// The veto was honoured by one whose vote was on its way.
    VotesCountedAfterVeto "votes-counted-after-veto" R3 Machine
        "a coordinator that has sent vetoes still concludes a commit from votes";
    /// The pledge was told to one that concludes a commit.
    VetoRefusalIgnored "veto-refusal-ignored" R3 Machine
        "a coordinator says aborted though its veto was refused because of a pledge";
    /// What answers an earlier attempt is taken for an answer to the later one: a read is told half of a transaction.
    AttemptReused "attempt-reused" R3 Machine "a new attempt gets the number of the one before";

    /// A resolver was told the Yes and concludes a commit; the sponsor is told "aborted".
    PledgedYesVetoed "pledged-yes-vetoed" R4 Machine "a pledged Yes is vetoed";
    /// As above: nobody remembers the pledge.
    PledgeNotKept "pledge-not-kept" R4 Machine "a Yes is told to a resolver, and no pledge is kept";
    /// As above, after a crash.
    PledgeNotWritten "pledge-not-written" R4 Machine "a pledge is kept in memory only";
    /// As above, after a crash.
    PledgeForgottenInRestart "pledge-forgotten-in-restart" R4 Machine "a restart recovers the Yes without its pledge";
    /// As above, after a crash that loses the pledge.
    PledgeBeforeSync "pledge-before-sync" R4 Runtime "a pledge is told before it is synced";
    /// The sponsor can't end it any more, and who asked may be gone: a single fault blocks the others.
    PledgeWhileSponsorAnswers "pledge-while-sponsor-answers" R4 Machine
        "a Yes is pledged to a resolver though its sponsor still answers";
    /// Two coordinators drive one transaction; one counts a vote that the other may veto.
    ForeignPrepareVoted "foreign-prepare-voted" R4 Machine
        "a Prepare of another attempt is answered with the vote that the first one got";

    /// The Yes that was seen may be vetoed a moment later.
    PeekCountedAsPledge "peek-counted-as-pledge" R5 Machine
        "a participant concludes a commit from what the others answered to a peek";
    /// As above.
    PeeksCommitAtCoordinator "peeks-commit-at-coordinator" R5 Machine
        "a coordinator concludes a commit from what all answered to a peek";
    /// A crash leaves a Yes that the sponsor may veto, after the commit was told.
    ResolverWithoutPledge "resolver-without-pledge" R5 Machine
        "a resolver concludes and tells on the pledges of the others, its own Yes neither pledged nor ended durably";
    /// Nobody can end the transaction without its coordinator.
    BlankNotFenced "blank-not-fenced" R5 Machine "a resolver is told that nothing is held, and nothing is fenced";
    /// The Prepare comes after the fence, and is voted Yes.
    FenceNotKept "fence-not-kept" R5 Machine "a fence is told and not written";
    /// The one that has not pledged fences or is vetoed.
    ResolvedWithPledgeMissing "resolved-with-pledge-missing" R5 Machine
        "a coordinator that resolves concludes a commit while one pledge is missing";
    /// The others' votes may still be vetoed.
    AskedTakenForAll "asked-taken-for-all" R5 Machine
        "a participant that resolves concludes from those that it asked, which are not all";

    /// With a participant down for good, the records of the others stay locked for as long as the sponsor tries.
    SponsorWaitsAfterDeadline "sponsor-waits-after-deadline" R6 Machine
        "a live sponsor still answers \"deciding\" after the deadline, and does not veto";
    /// The classical blocking of two-phase commit.
    DeadSponsorWaitedFor "dead-sponsor-waited-for" R6 Machine
        "a participant in doubt asks only its sponsor, for ever";
    /// With the coordinator gone, nobody moves.
    RecoveredVoteLeftAlone "recovered-vote-left-alone" R6 Machine
        "a restarted participant doesn't ask for the outcome of its votes";

    /// The commit was told; the crash loses the Yes, and its redo.
    VoteBeforeSync "vote-before-sync" R7 Runtime "a vote is told before it is synced";
    /// The crash loses what was read.
    ReadBeforeSync "read-before-sync" R7 Runtime "a read is answered before the write that it saw is synced";
    /// What was forgotten with the watermark is run again after a crash.
    WatermarkBeforeSync "watermark-before-sync" R7 Runtime
        "a watermark, or an answer that rests on it, is told before it is synced";
    /// Two runs of a client get one session number, and so one id for two requests.
    SessionGrantBeforeSync "session-grant-before-sync" R7 Runtime
        "a session is granted before its number is synced";
    /// Others read and change what a commit will change.
    LocksNotRetaken "locks-not-retaken" R7 Machine "a restart does not retake the locks of votes in doubt";
    /// The bounds of those in doubt are not minded any more.
    EscrowNotRetaken "escrow-not-retaken" R7 Machine "a restart retakes the locks without escrow";

    /// One that is still in doubt hears Expired, and aborts what the others committed.
    ForgottenBeforeAllHold "forgotten-before-all-hold" R8 Machine
        "an outcome is forgotten when the watermark has passed, whoever holds it";
    /// A repeat of the request is run a second time.
    ForgottenBeforeWatermark "forgotten-before-watermark" R8 Machine
        "an outcome is forgotten when all hold it, before the client has its answer";
    /// The holder forgets it again in a crash; the others have forgotten it for good.
    AcknowledgementBeforeSync "acknowledgement-before-sync" R8 Runtime
        "an outcome is acknowledged before it is synced";
    /// As above, without a crash.
    AllHeldAfterFirst "all-held-after-first" R8 Machine
        "a coordinator says that all hold an outcome when the first has said so";
    /// The smallest outstanding request is called expired, or forgotten.
    WatermarkOffByOne "watermark-off-by-one" R8 Machine "a watermark is taken to pass its own number too";
    /// After a crash, what was forgotten is not expired any more, and can be run again.
    WatermarkNotWritten "watermark-not-written" R8 Machine
        "outcomes are forgotten without writing the watermark that allows it";
    /// As above, for a whole session.
    SessionEndNotWritten "session-end-not-written" R8 Machine
        "outcomes are forgotten at the end of a session that is not written";
    /// The answer to the other request is forgotten before the client has it.
    ClientWatermarkTooHigh "client-watermark-too-high" R8 Client
        "a client's watermark is the number of the request that carries it, though a smaller one is outstanding";

    /// It sees or breaks what a transaction in doubt has promised.
    OneParticipantSkipsLocks "one-participant-skips-locks" R9 Machine
        "a transaction of one participant, which has no second phase, doesn't wait for locks";
    /// A repeat of the request is run a second time.
    OneParticipantNotKept "one-participant-not-kept" R9 Machine
        "the commit of one participant leaves no record, since nobody else will ask";
    /// The crash loses what the client was told.
    CommitBeforeSync "commit-before-sync" R9 Runtime "a commit is told before it is synced";

    /// It is fenced later, against a commit; and what it read may have changed before the commit.
    ReadersVoteNotKept "readers-vote-not-kept" R10 Machine
        "a participant that only reads in a writing transaction votes without a record or locks";
    /// The parts were seen at different moments.
    ReadsUnconfirmed "reads-unconfirmed" R10 Machine
        "a read of several participants is answered without the confirming round";
    /// A lock that was lost and taken again in between confirms what was read before.
    StaleStampConfirmed "stale-stamp-confirmed" R10 Machine
        "a read lock is confirmed whichever acquisition is asked for";
    /// As above.
    ReadLockNotTaken "read-lock-not-taken" R10 Machine "a read takes no locks, and is confirmed";
    /// Nobody changes the record any more.
    ReadLockOutlivesCoordinator "read-lock-outlives-coordinator" R10 Machine
        "a read lock ends neither with its coordinator's connection nor with its deadline";
    /// An acknowledged commit is missing from a later read.
    InDoubtRead "in-doubt-read" R10 Machine "a read of one participant doesn't wait for writers in doubt";
    /// What was required does not hold any more when the transaction commits.
    ChecksNotLocked "checks-not-locked" R10 Machine "what is only required is not locked";

    /// A participant in doubt takes it for an abort of what was committed.
    ExpiredBeforeHeld "expired-before-held" R11 Machine
        "Expired is answered for an id below the watermark, though something is held of it";
    /// The request runs a second time.
    ExpiredExecuted "expired-executed" R11 Machine "a request below its client's watermark is executed";
    /// It is voted on after its client has gone on.
    QueueIgnoresExpiry "queue-ignores-expiry" R11 Machine
        "a queued Prepare that has expired meanwhile is voted on";
    /// Two requests get one id: the session will be granted to its client too, or is used by another process of it.
    GrantOfAnotherStartTaken "grant-of-another-start-taken" R11 Machine
        "a coordinator takes the grant that an earlier start of it asked for as the answer to its own question";
    /// It had been committed.
    ExpiredTakenForAbort "expired-taken-for-abort" R11 Machine "a coordinator takes Expired for an abort";
    /// Nobody else can tell it anything any more: it waits for ever.
    PeersExpiredIgnored "peers-expired-ignored" R11 Machine
        "a participant in doubt doesn't take a peer's Expired for an abort";

    /// The answer of one content is given for another.
    DigestNotChecked "digest-not-checked" R12 Machine "what is held is looked up by id alone";
    /// One that never votes holds an abort of what the others commit.
    FenceOffTheList "fence-off-the-list" R12 Machine "a participant that is not on the list fences";
    /// The one that was queued is aborted and the other is told so for ever: neither has run.
    IdReusedFromQueue "id-reused-from-queue" R12 Machine "IdReused is told of a content that is only queued";
    /// The first one commits too.
    ClientRetriesUnderNewId "client-retries-under-new-id" R12 Client
        "a client asks again under a new id when it has no answer";
    /// It is refused, or half of it is taken for the other.
    ClientReusesId "client-reuses-id" R12 Client "a client gives a new request the id of the one before";
    /// It never ran.
    AnswerByContent "answer-by-content" R12 Machine
        "a coordinator answers a request with the outcome of an equal one that has another id";

    /// Others see and change what is not decided.
    LockReleasedBeforeOutcome "lock-released-before-outcome" Locks Machine
        "locks are given back with the vote, not with the outcome";
    /// A full course takes one more.
    EscrowOffByOne "escrow-off-by-one" Locks Machine "the upper bound of escrow is one too high";
    /// An operation breaks the bound of another that is in doubt.
    EscrowOwnBoundOnly "escrow-own-bound-only" Locks Machine "escrow minds only the bound of the one that asks";
    /// Transactions that wait for each other stand until their deadlines.
    WoundsNotSent "wounds-not-sent" Locks Machine "no sponsor is asked to give way to an older transaction";
    /// They stand beside free locks until a timer finds them.
    QueueNotWoken "queue-not-woken" Locks Machine "who waits is not woken when locks are given back";

    /// Its own messages come later, and took their place before.
    ReleasedPastDoubt "released-past-doubt" M1 Machine
        "a message is released although one of its key that voted earlier is in doubt";
    /// A crash loses what its transaction has committed.
    WaitingNotStored "waiting-not-stored" M1 Machine "a message that waits for a vote in front is kept in memory only";
    /// Consumers act on what never happened.
    AbortReleased "abort-released" M1 Machine "messages of an aborted transaction are released";
    /// A crash takes the number back, and another message gets it.
    NumberBeforeSync "number-before-sync" M2 Runtime "a message leaves before its number is synced";
    /// The receiver takes the second one for the first, which it has.
    NumberGivenTwice "number-given-twice" M2 Machine
        "a restart forgets the last number of a stream that was given and not acknowledged";
    /// A crash between the two makes the same messages arrive again.
    FilterStoredApart "filter-stored-apart" M3 Machine
        "the last number of a stream is stored with the next batch, not with its messages";
    /// The source drops what a crash of the receiver loses.
    ArrivalBeforeSync "arrival-before-sync" M3 Runtime "an arrival is told to the source before it is synced";
    /// What was lost on the way never comes.
    GapSkipped "gap-skipped" M3 Machine "a batch is taken although messages in front of it are missing";
    /// Somebody else works on it, and it may be gone already.
    DeliveredInDoubt "delivered-in-doubt" M4 Machine
        "a message whose lease ends is delivered again while a transaction that acknowledges it is in doubt";
    /// The one that failed comes after those that it was in front of.
    KeyPassedOnFailure "key-passed-on-failure" M4 Machine
        "while a message rests after a failure, the next of its key is delivered";
    /// A crash brings back what was acknowledged on receipt, and was delivered.
    DeliveredBeforeSync "delivered-before-sync" M4 Runtime "messages are delivered before the batch is synced";
    /// An abort does not bring it back.
    AcknowledgedWithVote "acknowledged-with-vote" M5 Machine "a message is finished with the vote, not with the commit";
    /// Two consumers both take effect.
    LeaseNotChecked "lease-not-checked" M5 Machine "a transaction acknowledges whatever it names";
    /// Nothing is sent to the mailbox any more.
    StreamPausedForGood "stream-paused-for-good" M6 Machine
        "an old word that a mailbox is full holds back a stream that has nothing to send then";
    /// The first one is overwritten.
    DeadPlaceGiven "dead-place-given" M6 Machine "a restart gives the place of the last message again, though it may be a dead letter's";
}
