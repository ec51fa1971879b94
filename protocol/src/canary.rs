//! Canaries: the shipped machines with one rule broken, to show that the instruments of the fault lab would notice.
//!
//! The machines ask [`broken`] where a rule is kept. Without the feature `canaries` that is a constant `false`: nothing of
//! this is in what ships, and the `assent` program does not compile with the feature. With it, one canary at a time is
//! chosen at run time, for the whole process: whoever hunts two at once needs two processes.
//!
//! Some rules are not the machines' to keep. [`Site::Runtime`] is whoever runs a participant: it asks [`leaves_early`]
//! which messages to let go ahead of the sync. [`Site::Client`] is whoever plays a client.

mod catalogue;

pub use catalogue::Canary;

use crate::message::{Held, Message};
use core::fmt;

/// Whether this build can break rules. What ships asserts that it can't.
pub const AVAILABLE: bool = cfg!(feature = "canaries");

/// Where a rule is broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Site {
    /// In the coordinator's or the participant's machine.
    Machine,
    /// In whoever runs a participant: messages leave before the sync.
    Runtime,
    /// In whoever plays a client.
    Client,
}

impl fmt::Display for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether this rule is broken now. Never, in what ships.
#[cfg(not(feature = "canaries"))]
#[inline(always)]
pub const fn broken(_: Canary) -> bool {
    false
}

/// Whether this rule is broken now.
#[cfg(feature = "canaries")]
pub fn broken(canary: Canary) -> bool {
    chosen::load() == Some(canary)
}

/// Breaks this rule from now on, and no other; none: all hold again.
#[cfg(feature = "canaries")]
pub fn choose(canary: Option<Canary>) {
    chosen::store(canary);
}

/// Whether the broken rule is that this message of a participant waits for the sync (R7). Who runs a participant asks
/// this of each message that a call of `handle` puts out, and sends those at once.
pub fn leaves_early(message: &Message) -> bool {
    match message {
        Message::Vote { .. } => broken(Canary::VoteBeforeSync),
        Message::Pledged { .. } => broken(Canary::PledgeBeforeSync),
        Message::Looked { .. } | Message::Confirmed { .. } => broken(Canary::ReadBeforeSync),
        Message::OutcomesHeld { .. } => broken(Canary::AcknowledgementBeforeSync),
        Message::SessionGranted { .. } => broken(Canary::SessionGrantBeforeSync),
        Message::Tell { .. } => broken(Canary::ResolverWithoutPledge) || broken(Canary::WatermarkBeforeSync),
        Message::Standing { held, .. } => match held {
            Held::Aborted(_) => broken(Canary::NoBeforeSync),
            Held::Committed(_) => broken(Canary::CommitBeforeSync),
            Held::Expired => broken(Canary::WatermarkBeforeSync),
            Held::Blank | Held::Queued(_) | Held::Yes { .. } | Held::IdReused | Held::Declined(_) => false,
        },
        Message::Relay { .. } => broken(Canary::NumberBeforeSync),
        Message::RelayHeld { .. } => broken(Canary::ArrivalBeforeSync),
        Message::Received { .. } => broken(Canary::DeliveredBeforeSync),
        // What rests on no write, or has no canary of its own.
        Message::Begin(_)
        | Message::OpenSession { .. }
        | Message::CloseSession { .. }
        | Message::KeepSession { .. }
        | Message::Answer { .. }
        | Message::SessionOpened { .. }
        | Message::SessionClosed { .. }
        | Message::Prepare(_)
        | Message::Veto { .. }
        | Message::SponsorSays { .. }
        | Message::AllHeld { .. }
        | Message::Watermarks { .. }
        | Message::Look(_)
        | Message::Confirm { .. }
        | Message::GrantSession { .. }
        | Message::TouchSession { .. }
        | Message::Peek { .. }
        | Message::Receive(_)
        | Message::Finish { .. }
        | Message::Manage { .. }
        | Message::Finished { .. }
        | Message::Managed { .. }
        | Message::Resolve { .. }
        | Message::EndSession(_)
        | Message::Wound { .. }
        | Message::AskSponsor { .. }
        | Message::SessionEnded(_)
        | Message::Query { .. }
        | Message::Reply { .. }
        | Message::AskSession { .. } => false,
    }
}

#[cfg(feature = "canaries")]
mod chosen {
    use super::Canary;
    use core::sync::atomic::{AtomicUsize, Ordering};

    /// 0: none; otherwise the place in [`Canary::ALL`], from 1.
    static CHOSEN: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn load() -> Option<Canary> {
        let place = CHOSEN.load(Ordering::Relaxed).checked_sub(1)?;
        Canary::ALL.get(place).copied()
    }

    pub(super) fn store(canary: Option<Canary>) {
        CHOSEN.store(canary.map_or(0, |canary| canary as usize + 1), Ordering::Relaxed);
    }
}
