//! What is durable on which participant, as far as properties need it: every fact that ever was, forgotten ones too.
//!
//! Not a property by itself: the ground that properties stand on.

use crate::simulator::disk::Durable;
use assent_protocol::{
    ids::{ClientName, Digest, NodeId, Sequence, SessionId, Sponsor, Subject, TxnId},
    message::Message,
    storage::ClientRecord,
};
use std::collections::BTreeMap;

/// What one participant ever held of one id.
#[derive(Clone, Default, Debug)]
pub(crate) struct Held {
    /// Its vote.
    pub(crate) yes: Option<(Digest, Sponsor)>,
    /// The vote is pledged.
    pub(crate) pledged: bool,
    /// The outcome: of which digest, and whether it is a commit.
    pub(crate) decided: Option<(Digest, bool)>,
    /// Everyone who votes, as it was told.
    pub(crate) participants: Vec<NodeId>,
    /// It was forgotten since.
    pub(crate) forgotten: bool,
}

impl Held {
    /// A durable Yes, or what can only follow one.
    pub(crate) fn agrees(&self, digest: Digest) -> bool {
        self.yes.is_some_and(|(of, _)| of == digest) && self.decided != Some((digest, false))
            || self.decided == Some((digest, true))
    }

    /// A durable abort, of this digest or because the id stands for another one (R12).
    pub(crate) fn rules_out(&self, digest: Digest) -> bool {
        self.decided == Some((digest, false))
            || self.yes.is_some_and(|(of, _)| of != digest)
            || self.decided.is_some_and(|(of, _)| of != digest)
    }
}

/// A session, by client and number.
pub(crate) type SessionKey = (ClientName, SessionId);

/// All facts.
#[derive(Default)]
pub(crate) struct Facts {
    txns: BTreeMap<TxnId, BTreeMap<NodeId, Held>>,
    watermarks: BTreeMap<(SessionId, ClientName, NodeId), Sequence>,
    ended: BTreeMap<(ClientName, NodeId), ClientRecord>,
    granted: BTreeMap<(ClientName, NodeId), SessionId>,
    /// The highest watermark that a client ever said.
    said: BTreeMap<SessionKey, Sequence>,
    /// Everyone who votes on a subject, as its client asked for it.
    voters: BTreeMap<Subject, Vec<NodeId>>,
    nothing: BTreeMap<NodeId, Held>,
}

impl Facts {
    /// Notes what has become durable.
    pub(crate) fn note(&mut self, node: NodeId, durable: &Durable) {
        match durable {
            Durable::Yes { txn, digest, sponsor, pledged, participants } => {
                let held = self.txns.entry(txn.clone()).or_default().entry(node).or_default();
                held.yes = Some((*digest, *sponsor));
                held.pledged |= pledged;
                held.participants.clone_from(participants);
            }
            Durable::Decided { txn, digest, committed, participants } => {
                let held = self.txns.entry(txn.clone()).or_default().entry(node).or_default();
                held.decided = Some((*digest, *committed));
                held.participants.clone_from(participants);
            }
            Durable::Forgotten(txn) => {
                self.txns.entry(txn.clone()).or_default().entry(node).or_default().forgotten = true;
            }
            Durable::Watermark(client, session, sequence) => {
                self.watermarks.insert((*session, client.clone(), node), *sequence);
            }
            Durable::Ended(client, record) => {
                self.ended.insert((client.clone(), node), record.clone());
            }
            Durable::Granted(client, last) => {
                self.granted.insert((client.clone(), node), *last);
            }
            Durable::Mail(_) => {}
        }
    }

    /// Notes how far a client says that it has its answers.
    pub(crate) fn note_asked(&mut self, client: &ClientName, message: &Message) {
        if let Message::Begin(begin) = message
            && !self.voters.contains_key(&begin.subject)
        {
            let voters = begin.branches.iter().map(|branch| branch.participant).collect();
            self.voters.insert(begin.subject.clone(), voters);
        }
        let (session, watermark) = match message {
            Message::Begin(begin) => (begin.subject.txn.session, begin.watermark),
            Message::KeepSession { session, watermark } => (*session, *watermark),
            Message::CloseSession { session } => (*session, Sequence(u64::MAX)),
            _ => return,
        };
        let said = self.said.entry((client.clone(), session)).or_default();
        *said = (*said).max(watermark);
    }

    /// What each participant ever held of an id.
    pub(crate) fn of(&self, txn: &TxnId) -> &BTreeMap<NodeId, Held> {
        self.txns.get(txn).unwrap_or(&self.nothing)
    }

    /// What a participant ever held of an id.
    pub(crate) fn at(&self, node: NodeId, txn: &TxnId) -> Option<&Held> {
        self.txns.get(txn)?.get(&node)
    }

    /// Whether a participant votes on a subject, as its client asked for it.
    pub(crate) fn votes_on(&self, node: NodeId, subject: &Subject) -> bool {
        self.voters.get(subject).is_some_and(|voters| voters.contains(&node))
    }

    /// Everyone who votes on a subject, if anybody ever held it.
    pub(crate) fn participants(&self, subject: &Subject) -> Option<&[NodeId]> {
        let holds = |held: &&Held| {
            held.yes.is_some_and(|(of, _)| of == subject.digest)
                || held.decided.is_some_and(|(of, _)| of == subject.digest)
        };
        self.of(&subject.txn).values().find(holds).map(|held| held.participants.as_slice())
    }

    /// The watermark of a session that is durable on a participant.
    pub(crate) fn watermark(&self, node: NodeId, client: &ClientName, session: SessionId) -> Sequence {
        self.watermarks.get(&(session, client.clone(), node)).copied().unwrap_or_default()
    }

    /// Whether the end of a session is durable on a participant.
    pub(crate) fn has_ended(&self, node: NodeId, client: &ClientName, session: SessionId) -> bool {
        self.ended.get(&(client.clone(), node)).is_some_and(|record| {
            record.ended.iter().any(|(first, last)| *first <= session && session <= *last)
        })
    }

    /// Whether the end of a session is durable anywhere.
    pub(crate) fn has_ended_anywhere(&self, client: &ClientName, session: SessionId) -> bool {
        let nodes = self.ended.range((client.clone(), NodeId(0))..=(client.clone(), NodeId(u16::MAX)));
        nodes.map(|((_, node), _)| *node).any(|node| self.has_ended(node, client, session))
    }

    /// Whether a participant durably knows that this id is expired (R11).
    pub(crate) fn is_expired(&self, node: NodeId, txn: &TxnId) -> bool {
        txn.sequence < self.watermark(node, &txn.client, txn.session)
            || self.has_ended(node, &txn.client, txn.session)
    }

    /// The last session that a participant has durably granted to a client.
    pub(crate) fn granted(&self, node: NodeId, client: &ClientName) -> SessionId {
        self.granted.get(&(client.clone(), node)).copied().unwrap_or_default()
    }

    /// How far the client itself has said that it has its answers.
    pub(crate) fn said(&self, client: &ClientName, session: SessionId) -> Sequence {
        self.said.get(&(client.clone(), session)).copied().unwrap_or_default()
    }
}
