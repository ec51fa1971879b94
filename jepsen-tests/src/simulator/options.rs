//! What a simulated run is made of: how many of everything, which faults, and how hard they bite.
//!
//! Swarm testing (Groce et al., ISSTA 2012): each seed draws its own mixture, and leaves most faults out, so that what
//! one fault hides another seed shows. Everything that a run depends on is here, so options and seed repeat it exactly.

use std::{fmt, ops::RangeInclusive, str::FromStr};

/// Options that can't be understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidOptions {
    /// Not `key=value`.
    #[error("{0:?} is not of the form key=value")]
    Form(String),
    /// A key that does not exist.
    #[error("there is no option {0:?}; the options are: {1}")]
    Key(String, String),
    /// A value out of its range, or no number.
    #[error("{key}={value} is not possible: it must be {expected}")]
    Value {
        /// Which option.
        key: String,
        /// What it was to be.
        value: String,
        /// What it may be.
        expected: String,
    },
}

/// A fault that never heals while the rest must go on: liveness after every single fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lasting {
    /// None.
    None,
    /// A coordinator dies for ever.
    CoordinatorDies,
    /// A participant dies for ever.
    ParticipantDies,
    /// The link between two nodes is cut for ever.
    LinkCut,
    /// A node loses one link, and dies a little later.
    CutThenDies,
    /// A participant's disk never finishes a sync again, and the process lives on.
    DiskHangs,
}

impl Lasting {
    const ALL: [(Lasting, &'static str); 6] = [
        (Lasting::None, "none"),
        (Lasting::CoordinatorDies, "coordinator-dies"),
        (Lasting::ParticipantDies, "participant-dies"),
        (Lasting::LinkCut, "link-cut"),
        (Lasting::CutThenDies, "cut-then-dies"),
        (Lasting::DiskHangs, "disk-hangs"),
    ];
}

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Lasting::ALL.iter().find(|(lasting, _)| lasting == self).map_or("none", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Lasting {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = Lasting::ALL.iter().map(|(_, name)| *name).collect();
        let found = Lasting::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(lasting, _)| *lasting).ok_or_else(|| format!("one of {}", names.join(", ")))
    }
}

/// A value of an option: parsed, and held to its range.
trait Setting: Sized + fmt::Display {
    fn parse_within(text: &str, range: &RangeInclusive<u64>) -> Result<Self, String>;
}

impl Setting for u64 {
    fn parse_within(text: &str, range: &RangeInclusive<u64>) -> Result<Self, String> {
        let value = text.parse::<u64>().ok().filter(|value| range.contains(value));
        value.ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))
    }
}

impl Setting for Lasting {
    fn parse_within(text: &str, _: &RangeInclusive<u64>) -> Result<Self, String> {
        text.parse()
    }
}

mod draw;

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $calm:expr, $range:expr;)*) => {
        /// What a run is made of. `…_per_mille` is a chance in a thousand cases, a bare plural is a number of faults.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct Options {
            /// What all chance comes from.
            pub seed: u64,
            $($(#[$doc])* pub $name: $type,)*
        }

        impl Options {
            /// Without faults: conflicts, deadlines and repeats only.
            pub fn calm(seed: u64) -> Self {
                Options { seed, $($name: $calm,)* }
            }

            /// All options with their values, as text.
            pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($name), self.$name.to_string()),)*]
            }

            /// Sets one option.
            ///
            /// # Errors
            /// If there is none of this name, or the value is out of its range.
            pub fn set(&mut self, key: &str, value: &str) -> Result<(), InvalidOptions> {
                match key {
                    $(stringify!($name) => {
                        self.$name = <$type as Setting>::parse_within(value, &$range).map_err(|expected| {
                            InvalidOptions::Value { key: key.into(), value: value.into(), expected }
                        })?;
                    })*
                    _ => {
                        let keys = [$(stringify!($name)),*].join(", ");
                        return Err(InvalidOptions::Key(key.into(), keys));
                    }
                }
                Ok(())
            }
        }
    };
}

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

options! {
    /// Participants.
    participants: u64 = 3, 1..=8;
    /// Coordinators.
    coordinators: u64 = 2, 1..=8;
    /// Clients, each with a session of its own.
    clients: u64 = 3, 1..=64;
    /// Processes of a client, each with one operation open.
    processes: u64 = 2, 1..=16;
    /// Operations of each process.
    requests: u64 = 12, 0..=100_000;
    /// A process pauses between two operations for at most this long, in microseconds.
    think_us_max: u64 = 5_000, 0..=100_000_000;
    /// The shortest time to decide that a request gives its coordinator, in milliseconds.
    deadline_ms_min: u64 = 1, 1..=60_000;
    /// The longest time to decide that a request gives its coordinator, in milliseconds.
    deadline_ms_max: u64 = 1_000, 1..=60_000;
    /// A client waits for an answer at most this long before it asks again, in milliseconds.
    patience_ms_max: u64 = 1_500, 1..=60_000;
    /// How long faults happen, in milliseconds.
    ms_of_faults: u64 = 200, 1..=HOUR_MS;

    /// The usual delay of a message is at most this, in microseconds.
    delay_us_max: u64 = 500, 1..=10_000_000;
    /// Messages that take up to twenty times as long.
    late_per_mille: u64 = 0, 0..=1000;
    /// Messages that overtake others of their link.
    reorder_per_mille: u64 = 0, 0..=1000;
    /// Messages that are lost.
    loss_per_mille: u64 = 0, 0..=999;
    /// Messages that arrive twice.
    duplicate_per_mille: u64 = 0, 0..=1000;
    /// Requests of coordinators that also reach a participant that they are not for.
    misdirect_per_mille: u64 = 0, 0..=1000;
    /// Links that are cut for a while.
    cuts: u64 = 0, 0..=1000;
    /// Links that lose one direction first, and the other when that is noticed.
    one_way_cuts: u64 = 0, 0..=1000;
    /// Moments at which the nodes fall into two groups, or one loses several links.
    partitions: u64 = 0, 0..=1000;
    /// Links that go and come several times.
    flaps: u64 = 0, 0..=1000;
    /// Cuts that no end notices.
    silent_per_mille: u64 = 0, 0..=1000;

    /// A sync takes at most this, in microseconds.
    sync_us_max: u64 = 300, 1..=10_000_000;
    /// A write that nobody is told of is synced after this, in milliseconds.
    background_sync_ms: u64 = 20, 1..=60_000;
    /// Crashes at any moment; most come back soon.
    crashes: u64 = 0, 0..=1000;
    /// Syncs after which the process crashes, before it says anything.
    crash_at_sync_per_mille: u64 = 0, 0..=1000;
    /// Turns in which the process crashes when it has said only some of what it had to say.
    crash_at_send_per_mille: u64 = 0, 0..=1000;
    /// Crashes whose disk has kept some of what was not synced.
    torn_per_mille: u64 = 500, 0..=1000;
    /// Coordinators that die and never come back; one is always left.
    coordinator_deaths: u64 = 0, 0..=1000;
    /// Disks that are full for a while.
    full_disks: u64 = 0, 0..=1000;
    /// Syncs that fail: the process stops, and recovers from what is on its disk.
    failed_syncs: u64 = 0, 0..=1000;
    /// Disks that are up to a hundred times slower for a while.
    slow_disks: u64 = 0, 0..=1000;
    /// Processes that stand still for a while.
    pauses: u64 = 0, 0..=1000;

    /// How far a wall clock is from the true time at most, in milliseconds.
    wall_skew_ms_max: u64 = 0, 0..=HOUR_MS;
    /// Wall clocks that are set anew, anywhere within an hour.
    wall_jumps: u64 = 0, 0..=1000;
    /// How much faster or slower a monotonic clock runs at most, in parts per million.
    drift_ppm_max: u64 = 0, 0..=200_000;

    /// Clients that lose their connections.
    client_disconnects: u64 = 0, 0..=1000;
    /// Clients that crash and come back, with a journal or without.
    client_crashes: u64 = 0, 0..=1000;
    /// Clients that die: their sessions end when they have been idle.
    client_deaths: u64 = 0, 0..=1000;
    /// Answered requests that are asked once more, to see that the answer stays.
    repeat_per_mille: u64 = 250, 0..=1000;
    /// Repeats that only want to know the outcome.
    settle_per_mille: u64 = 200, 0..=1000;
    /// Requests whose client waits only for a while, and then calls the outcome unknown.
    give_up_per_mille: u64 = 0, 0..=1000;
    /// Requests that a faulty client sends under an id that stands for something else (R12).
    twin_per_mille: u64 = 0, 0..=1000;
    /// Requests after which their client leaves its session for a new one.
    leave_per_mille: u64 = 0, 0..=1000;

    /// A fault that never heals, alone, while everything else must go on. With other faults beside it, more may block.
    lasting: Lasting = Lasting::None, 0..=0;

    /// 1: nothing goes wrong, requests have all the time they want, and yet none may take long (locks, queues, wounds). Only
    /// for fast networks and disks without faults: what they delay is not told apart.
    patient: u64 = 0, 0..=1;

    /// A session that nobody used for this long is ended, in milliseconds.
    session_idle_ms: u64 = 30 * MINUTE_MS, 1_000..=24 * HOUR_MS;
    /// A client says that it is alive this often, in milliseconds.
    keep_ms: u64 = 30_000, 10..=24 * HOUR_MS;
    /// Transactions that may wait for locks at a participant.
    waiting_max: u64 = 4_096, 0..=1_000_000;
    /// Undecided transactions of a coordinator.
    undecided_max: u64 = 65_536, 1..=1_000_000;
    /// A vote this old asks its sponsor, in milliseconds.
    vote_age_ms: u64 = 100, 1..=60_000;
    /// A node that left a question about its attempt unanswered for this long counts as gone, in milliseconds.
    sponsor_patience_ms: u64 = 100, 1..=60_000;
    /// How often an unanswered question is asked again, in milliseconds.
    retry_ms: u64 = 100, 2..=60_000;
    /// An outcome that not all hold is told again after this, in milliseconds.
    exchange_ms: u64 = 2_000, 1..=60_000;
    /// How often a coordinator tells an outcome again.
    tells_max: u64 = 4, 0..=16;
    /// How long a coordinator tries what it can't decide, in milliseconds.
    settle_ms: u64 = 60_000, 1..=10 * MINUTE_MS;
    /// Messages that the outbox of a participant takes.
    outbox_max: u64 = 1_000_000, 1..=1_000_000_000;
    /// A stream of which nothing was heard for this long is sent again, in milliseconds.
    relay_retry_ms: u64 = 1_000, 1..=60_000;
    /// Consumers that crash and come back, with a journal or without.
    consumer_crashes: u64 = 0, 0..=1000;
    /// Consumers that lose their connections.
    consumer_disconnects: u64 = 0, 0..=1000;
    /// After so many steps of a node its memory is compared with its disk; also at each crash, start, and at the end.
    check_every: u64 = 40, 1..=1_000_000;
}

impl Options {
    /// Reads what [`Options::overrides`] wrote: calm options of this seed, with `key=value,key=value` set. Nothing, or
    /// `drawn`, stands for what the seed draws.
    ///
    /// # Errors
    /// If a key does not exist or a value is out of its range.
    pub fn parse(seed: u64, text: &str) -> Result<Self, InvalidOptions> {
        let mut parts = text.split(',').map(str::trim).filter(|part| !part.is_empty()).peekable();
        let mut options = match parts.peek() {
            None => return Ok(Options::drawn(seed)),
            Some(&"drawn") => {
                parts.next();
                Options::drawn(seed)
            }
            Some(&"calm") => {
                parts.next();
                Options::calm(seed)
            }
            Some(_) => Options::calm(seed),
        };
        for part in parts {
            let (key, value) = part.split_once('=').ok_or_else(|| InvalidOptions::Form(part.into()))?;
            options.set(key.trim(), value.trim())?;
        }
        Ok(options)
    }

    /// These options as text that [`Options::parse`] reads back, the shortest way.
    pub fn overrides(&self) -> String {
        if *self == Options::drawn(self.seed) {
            return String::new();
        }
        let changes = self.changes();
        if changes.is_empty() { "calm".into() } else { changes }
    }

    /// The command that makes a run of a workload with these options.
    pub(super) fn replay(&self, workload: &str) -> String {
        let overrides = self.overrides();
        let overrides = if overrides.is_empty() { String::new() } else { format!(" --options {overrides}") };
        format!("assent-lab simulate --workload {workload} --seed {}{overrides}", self.seed)
    }

    /// One option's value, as text.
    pub(super) fn value(&self, key: &str) -> Option<String> {
        self.fields().into_iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// What differs from calm options.
    fn changes(&self) -> String {
        let calm = Options::calm(self.seed).fields();
        let changed = self.fields().into_iter().zip(calm).filter(|(own, calm)| own.1 != calm.1);
        changed.map(|((key, value), _)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = self.changes();
        let words = if changes.is_empty() { "calm".into() } else { changes.replace(',', " ") };
        write!(f, "seed {}: {words}", self.seed)
    }
}
