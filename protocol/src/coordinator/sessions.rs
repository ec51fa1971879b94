//! Sessions, as a coordinator sees them: granted by a participant, which is the one that ends them too; watermarks carried
//! to every participant that has heard of the session (R8).

use super::{Coordinator, Due, Turn};
use crate::{
    canary::{Canary, broken},
    ids::{ClientName, Incarnation, NodeId, Peer, Sequence, SessionId, Time},
    message::{BATCH_MAX, Begin, Message, SessionEnd, Watermark},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// Whose session, and which.
pub(super) type Key = (ClientName, SessionId);

/// A request to a granter that is not answered for this long is sent again, in milliseconds.
const ASK_AGAIN_MS: u64 = 200;
/// A request that stays unanswered for this long is given up: the client asks again, in milliseconds.
pub(super) const GIVE_UP_MS: u64 = 10_000;

/// The first number of a coordinator's questions to granters. Each start has numbers of its own: a grant that an earlier one
/// asked for is somebody else's session, and may come after all (R11).
pub(super) fn first_opening(incarnation: Incarnation) -> u64 {
    if broken(Canary::GrantOfAnotherStartTaken) {
        return 1;
    }
    let half = incarnation.0 as u64 ^ (incarnation.0 >> 64) as u64;
    (half ^ half >> 32) << 32 | 1
}

/// A session that a client uses through this coordinator.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Session {
    connection: u64,
    watermark: Sequence,
    /// What each participant that has heard of the session knows of its watermark.
    told: BTreeMap<NodeId, Sequence>,
}

impl Session {
    /// The participants of a transaction that is being prepared hear of its session: they are told its watermark.
    pub(super) fn touch(&mut self, participants: &[NodeId]) {
        for node in participants {
            self.told.entry(*node).or_default();
        }
    }
}

/// A client that waits for a session.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Opening {
    connection: u64,
    request: u64,
    client: ClientName,
    pub(super) since: Time,
    /// Participants that were asked for it.
    asked: usize,
}

/// A client that waits for the end of a session.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Closing {
    connection: u64,
    pub(super) since: Time,
}

impl Coordinator {
    pub(super) fn on_open_session(&mut self, from: Peer, request: u64, turn: &mut Turn<'_>) {
        let Peer::Client(connection) = from else { return };
        let Some(client) = self.clients.get(&connection).cloned() else { return };
        let opening = self.next_opening;
        self.next_opening += 1;
        self.openings.insert(opening, Opening { connection, request, client, since: turn.now, asked: 0 });
        self.ask_for_session(opening, turn);
        self.agenda.set_at_latest(Due::Sessions, turn.now.after_ms(ASK_AGAIN_MS));
    }

    /// Any participant can grant a session: asks one that is connected, and next time another.
    fn ask_for_session(&mut self, opening: u64, turn: &mut Turn<'_>) {
        let Some(Opening { client, asked, .. }) = self.openings.get_mut(&opening) else { return };
        let granters = self.config.directory.granters(client);
        let connected: Vec<NodeId> = granters.filter(|node| self.connected.contains(node)).collect();
        if !connected.is_empty() {
            let granter = connected[*asked % connected.len()];
            *asked += 1;
            turn.send_node(granter, Message::GrantSession { client: client.clone(), request: opening });
        }
    }

    pub(super) fn on_session_granted(
        &mut self,
        client: &ClientName,
        opening: u64,
        session: SessionId,
        turn: &mut Turn<'_>,
    ) {
        // One that was granted twice, because the question was repeated, stays unused and ends when it is idle.
        let Some(asked) = self.openings.get(&opening) else { return };
        if asked.client != *client && !broken(Canary::GrantOfAnotherStartTaken) {
            return;
        }
        let (connection, request) = (asked.connection, asked.request);
        self.openings.remove(&opening);
        turn.send(Peer::Client(connection), Message::SessionOpened { request, session: Some(session) });
    }

    pub(super) fn on_close_session(&mut self, from: Peer, session: SessionId, turn: &mut Turn<'_>) {
        let Peer::Client(connection) = from else { return };
        let Some(client) = self.clients.get(&connection).cloned() else { return };
        if !self.is_participant(session.granter()) {
            // Nobody has granted it, so nobody can end it.
            return;
        }
        let key = (client, session);
        self.sessions.remove(&key);
        self.ask_to_end(&key, turn);
        self.closings.insert(key, Closing { connection, since: turn.now });
        self.agenda.set_at_latest(Due::Sessions, turn.now.after_ms(ASK_AGAIN_MS));
    }

    fn ask_to_end(&self, (client, session): &Key, turn: &mut Turn<'_>) {
        let end = SessionEnd { client: client.clone(), session: *session, all_below: SessionId(0) };
        turn.send_node(session.granter(), Message::EndSession(end));
    }

    pub(super) fn on_session_ended(&mut self, from: Peer, end: SessionEnd, turn: &mut Turn<'_>) {
        let granter = end.session.granter();
        if from != Peer::Node(granter) {
            return;
        }
        let Some(closing) = self.closings.remove(&(end.client.clone(), end.session)) else { return };
        turn.send(Peer::Client(closing.connection), Message::SessionClosed { session: end.session });
        for node in self.config.directory.participants().to_vec() {
            if node != granter {
                turn.send_node(node, Message::EndSession(end.clone()));
            }
        }
    }

    pub(super) fn on_keep_session(
        &mut self,
        from: Peer,
        session: SessionId,
        watermark: Sequence,
        turn: &mut Turn<'_>,
    ) {
        let Peer::Client(connection) = from else { return };
        let Some(client) = self.clients.get(&connection).cloned() else { return };
        if self.is_participant(session.granter()) {
            turn.send_node(session.granter(), Message::TouchSession { client: client.clone(), session });
        }
        if self.sessions.contains_key(&(client.clone(), session)) {
            self.raise_watermark(connection, (client, session), watermark, turn.now);
        }
    }

    /// A request carries its session's watermark.
    pub(super) fn note_watermark(&mut self, connection: u64, begin: &Begin, turn: &Turn<'_>) {
        let key = (begin.subject.txn.client.clone(), begin.subject.txn.session);
        self.raise_watermark(connection, key, begin.watermark, turn.now);
    }

    fn raise_watermark(&mut self, connection: u64, key: Key, watermark: Sequence, now: Time) {
        let session = self.sessions.get_or_insert_with(&key, || Session {
            connection,
            watermark: Sequence(0),
            told: BTreeMap::new(),
        });
        session.connection = connection;
        if session.watermark < watermark {
            session.watermark = watermark;
            self.agenda.set_at_latest(Due::Watermarks, now.after_ms(self.config.limits.gather_ms * 5));
        }
    }

    /// Tells each participant the watermarks that have risen since it last heard.
    pub(super) fn send_watermarks(&mut self, turn: &mut Turn<'_>) {
        let mut news: BTreeMap<NodeId, Vec<Watermark>> = BTreeMap::new();
        for ((client, session), state) in self.sessions.values_mut() {
            for (node, told) in state.told.iter_mut().filter(|(_, told)| **told < state.watermark) {
                *told = state.watermark;
                let mark = Watermark { client: client.clone(), session: *session, sequence: state.watermark };
                news.entry(*node).or_default().push(mark);
            }
        }
        for (node, mut watermarks) in news {
            watermarks.sort_unstable();
            for batch in watermarks.chunks(BATCH_MAX) {
                turn.send_node(node, Message::Watermarks { watermarks: batch.to_vec() });
            }
        }
    }

    fn is_participant(&self, node: NodeId) -> bool {
        self.config.directory.participants().contains(&node)
    }

    /// Asks granters again that have not answered, and gives up what nobody answers.
    pub(super) fn on_sessions_due(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let overdue = |since: Time| now >= since.after_ms(GIVE_UP_MS);
        for opening in self.openings.values().filter(|opening| overdue(opening.since)) {
            let answer = Message::SessionOpened { request: opening.request, session: None };
            turn.out.push((Peer::Client(opening.connection), answer));
        }
        self.openings.retain(|_, opening| !overdue(opening.since));
        self.closings.retain(|_, closing| !overdue(closing.since));
        for opening in self.openings.keys().copied().collect::<Vec<_>>() {
            self.ask_for_session(opening, turn);
        }
        for key in self.closings.keys() {
            self.ask_to_end(key, turn);
        }
        if !self.openings.is_empty() || !self.closings.is_empty() {
            self.agenda.set(Due::Sessions, now.after_ms(ASK_AGAIN_MS));
        }
    }

    /// A client's connection is lost: what it asked for goes on, its sessions are carried by whom it goes to.
    pub(super) fn on_client_down(&mut self, connection: u64) {
        self.clients.remove(&connection);
        self.openings.retain(|_, opening| opening.connection != connection);
        self.closings.retain(|_, closing| closing.connection != connection);
        self.sessions.retain(|session| session.connection != connection);
        for (_, drive) in self.drives.values_mut() {
            drive.askers.remove(&connection);
        }
    }
}
