//! Sessions: no number is granted for two different requests, nobody works in a session of somebody else, and a durable watermark never falls nor runs ahead of what
//! its client said; and a client asks for nothing of which it said that it has the answer.

use super::{Facts, Property};
use crate::simulator::disk::Durable;
use assent_protocol::{
    ids::{ClientName, NodeId, Peer, SessionId},
    message::Message,
};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Sessions {
    granted: BTreeMap<(ClientName, SessionId), (Peer, u64)>,
}

impl Property for Sessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn on_asked(&mut self, facts: &Facts, client: &ClientName, message: &Message) -> Result<(), String> {
        let Message::Begin(begin) = message else { return Ok(()) };
        let txn = &begin.subject.txn;
        if facts.granted(txn.session.granter(), client) < txn.session {
            return Err(format!("{client} asks for {txn}, and nobody has granted it this session (R11)"));
        }
        if txn.sequence < facts.said(client, txn.session) {
            return Err(format!("{client} asks for {txn}, and has said that it has the answer (R8)"));
        }
        Ok(())
    }

    fn on_said(&mut self, _: &Facts, _: NodeId, to: Peer, message: &Message) -> Result<(), String> {
        let Message::SessionGranted { client, request, session } = message else { return Ok(()) };
        let granted = self.granted.entry((client.clone(), *session)).or_insert((to, *request));
        if *granted == (to, *request) {
            return Ok(());
        }
        Err(format!("session {session} of {client} is granted twice"))
    }

    fn on_durable(&mut self, facts: &Facts, node: NodeId, durable: &Durable) -> Result<(), String> {
        let Durable::Watermark(client, session, sequence) = durable else { return Ok(()) };
        if *sequence < facts.watermark(node, client, *session) {
            return Err(format!("the watermark of {client}:{session} falls at {node}"));
        }
        // The end of a session counts as a watermark above everything.
        if *sequence > facts.said(client, *session) && !facts.has_ended_anywhere(client, *session) {
            return Err(format!("the watermark of {client}:{session} at {node} is ahead of its client"));
        }
        Ok(())
    }
}
