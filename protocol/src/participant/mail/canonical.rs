//! Which messages of a participant no future input can tell apart (see [`crate::canonical`]).

use super::{Mail, MailFigures};
use crate::canonical::{ORIGIN, Shift};

impl Mail {
    /// The same messages on a clock that shows [`ORIGIN`]. The wall clock stands still: nothing is compared with it but
    /// the age of messages that rest over a restart.
    pub(in crate::participant) fn canonical(&self, shift: Shift) -> Mail {
        let mailboxes = self.mailboxes.iter();
        Mail {
            outbox: self.outbox.clone(),
            streams: self.streams.clone(),
            held: self.held,
            arrived: self.arrived.clone(),
            to_tell: self.to_tell.clone(),
            mailboxes: mailboxes.map(|(mailbox, state)| (mailbox.clone(), state.canonical(shift))).collect(),
            clients: self.clients.clone(),
            lease_serial: self.lease_serial,
            since: ORIGIN,
            fault: self.fault.clone(),
            figures: MailFigures::default(),
        }
    }
}
