//! Sessions: who may still be answered, who is expired, and which sessions this participant has granted (R8, R11).

use super::{Due, Participant, Turn};
use crate::{
    canary::{Canary, broken},
    canonical::Shift,
    ids::{ClientName, NodeId, Peer, Sequence, SessionId, Time, TxnId},
    message::{Message, SessionEnd},
    storage::{ClientRecord, GrantRecord, Store, Write},
    table::Table,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// How often idle sessions are looked for, in milliseconds.
pub(super) const SWEEP_MS: u64 = 60_000;

/// Sessions that one client may have open at the same time; a further one is not granted.
const GRANTED_OPEN_MAX: usize = 65_536;

/// The watermark of a session that has ended: above everything.
const ENDED: Sequence = Sequence(u64::MAX);

/// What is known of all clients' sessions. Mirrors what is stored.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(super) struct Sessions {
    clients: Table<ClientName, Known>,
    granted: BTreeMap<ClientName, Granted>,
}

/// What is known of one client's sessions. There is one at least.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct Known {
    live: BTreeMap<SessionId, Live>,
    ended: Ended,
}

#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct Live {
    watermark: Sequence,
    /// Outcomes that everyone holds and that wait for the watermark.
    forgettable: BTreeSet<Sequence>,
}

#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct Ended {
    /// First to last of each range: numbers are granted one after the other, so there are hardly more ranges than
    /// sessions that are open.
    ranges: BTreeMap<SessionId, SessionId>,
}

impl Ended {
    fn contains(&self, session: SessionId) -> bool {
        self.ranges.range(..=session).next_back().is_some_and(|(_, last)| session <= *last)
    }

    /// Adds a range, joined with those that it overlaps or touches.
    fn insert(&mut self, mut first: SessionId, mut last: SessionId) {
        while let Some((start, end)) = self.ranges.range(..=last.next()).next_back().map(|(s, e)| (*s, *e))
            && end.next() >= first
        {
            self.ranges.remove(&start);
            first = first.min(start);
            last = last.max(end);
        }
        self.ranges.insert(first, last);
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Granted {
    last: SessionId,
    open: BTreeMap<SessionId, Time>,
}

impl Granted {
    /// All granted sessions below this have ended.
    fn all_below(&self) -> SessionId {
        self.open.keys().next().copied().unwrap_or(self.last.next())
    }
}

impl Sessions {
    pub(super) fn recover(
        watermarks: Vec<(ClientName, SessionId, Sequence)>,
        clients: Vec<(ClientName, ClientRecord)>,
        grants: Vec<(ClientName, GrantRecord)>,
        now: Time,
    ) -> Self {
        let mut sessions = Sessions::default();
        for (client, session, watermark) in watermarks {
            sessions.live_mut(&client, session).watermark = watermark;
        }
        for (client, record) in clients {
            let known = sessions.clients.get_or_insert_with(&client, Known::default);
            known.ended = Ended { ranges: record.ended.into_iter().collect() };
        }
        for (client, record) in grants {
            let open = record.open.into_iter().map(|session| (session, now)).collect();
            sessions.granted.insert(client, Granted { last: record.last, open });
        }
        sessions
    }

    /// The same sessions on another clock (see [`crate::canonical`]).
    pub(super) fn canonical(&self, shift: Shift, idle_ms: u64) -> Self {
        let mut sessions = self.clone();
        for used in sessions.granted.values_mut().flat_map(|granted| granted.open.values_mut()) {
            *used = shift.since(*used, idle_ms);
        }
        sessions
    }

    fn has_ended(&self, client: &ClientName, session: SessionId) -> bool {
        self.clients.get(client).is_some_and(|known| known.ended.contains(session))
    }

    /// Whether the client has said that it has the answer.
    pub(super) fn is_expired(&self, txn: &TxnId) -> bool {
        let watermark = self.watermark(txn);
        let passed =
            txn.sequence < watermark || (txn.sequence == watermark && broken(Canary::WatermarkOffByOne));
        passed || watermark == ENDED
    }

    /// The watermark of a transaction's session, as far as is known here; of an ended one, above everything.
    pub(super) fn watermark(&self, txn: &TxnId) -> Sequence {
        self.watermark_of(&txn.client, txn.session)
    }

    fn watermark_of(&self, client: &ClientName, session: SessionId) -> Sequence {
        match self.clients.get(client) {
            None => Sequence(0),
            Some(known) if known.ended.contains(session) => ENDED,
            Some(known) => known.live.get(&session).map_or(Sequence(0), |live| live.watermark),
        }
    }

    /// Everyone holds this outcome: it goes when the watermark has passed it.
    pub(super) fn forget_later(&mut self, txn: &TxnId) {
        self.live_mut(&txn.client, txn.session).forgettable.insert(txn.sequence);
    }

    fn live_mut(&mut self, client: &ClientName, session: SessionId) -> &mut Live {
        self.clients.get_or_insert_with(client, Known::default).live.entry(session).or_default()
    }

    /// A session is in use.
    pub(super) fn touch(&mut self, client: &ClientName, session: SessionId, now: Time) {
        if let Some(time) = self.granted.get_mut(client).and_then(|granted| granted.open.get_mut(&session)) {
            *time = now;
        }
    }

    /// Sessions of which something is held.
    pub(super) fn live(&self) -> usize {
        self.clients.in_any_order().map(|(_, known)| known.live.len()).sum()
    }
}

impl Participant {
    /// The client has every answer below `watermark`: stores that, and forgets in the same batch what everyone holds (R8).
    pub(super) fn raise_watermark<S: Store>(
        &mut self,
        client: &ClientName,
        session: SessionId,
        watermark: Sequence,
        turn: &mut Turn<'_, S>,
    ) {
        // Of a session that has ended it is above everything.
        if watermark <= self.sessions.watermark_of(client, session) {
            return;
        }
        let live = self.sessions.live_mut(client, session);
        live.watermark = watermark;
        let kept = live.forgettable.split_off(&watermark);
        let passed = core::mem::replace(&mut live.forgettable, kept);
        if !broken(Canary::WatermarkNotWritten) {
            turn.store.write(Write::PutWatermark(client.clone(), session, watermark));
        }
        for sequence in passed {
            self.forget(&TxnId { client: client.clone(), session, sequence }, turn);
        }
    }

    /// Grants a session. The number is never given again: it names this participant, whose counter is durable, and a
    /// counter that is created anew starts with a later epoch.
    pub(super) fn on_grant_session<S: Store>(
        &mut self,
        from: Peer,
        client: ClientName,
        request: u64,
        turn: &mut Turn<'_, S>,
    ) {
        let first = SessionId::before_first(self.config.node, self.config.started_s);
        let granted = self
            .sessions
            .granted
            .entry(client.clone())
            .or_insert_with(|| Granted { last: first, open: BTreeMap::new() });
        if granted.open.len() >= GRANTED_OPEN_MAX {
            // A client that opens and never closes: its requests go unanswered, everyone else's don't.
            return;
        }
        granted.last = granted.last.next();
        granted.open.insert(granted.last, turn.now);
        let session = granted.last;
        self.store_grant(&client, turn);
        turn.send(from, Message::SessionGranted { client, request, session });
    }

    fn store_grant<S: Store>(&self, client: &ClientName, turn: &mut Turn<'_, S>) {
        if let Some(granted) = self.sessions.granted.get(client) {
            let record = GrantRecord { last: granted.last, open: granted.open.keys().copied().collect() };
            turn.store.write(Write::PutGrant(client.clone(), record));
        }
    }

    /// A session is over: nothing of it will be run any more, and what everyone holds of it is forgotten.
    pub(super) fn on_end_session<S: Store>(&mut self, from: Peer, end: SessionEnd, turn: &mut Turn<'_, S>) {
        let all_below = self.end_session(&end, turn);
        turn.send(from, Message::SessionEnded(SessionEnd { all_below, ..end }));
    }

    /// Somebody holds what only the end of this session lets it forget.
    pub(super) fn on_ask_session<S: Store>(
        &mut self,
        from: Peer,
        client: ClientName,
        session: SessionId,
        turn: &mut Turn<'_, S>,
    ) {
        if self.sessions.has_ended(&client, session) {
            let granted = self.sessions.granted.get(&client);
            let all_below = granted.map_or(SessionId(0), Granted::all_below);
            turn.send(from, Message::EndSession(SessionEnd { client, session, all_below }));
        }
    }

    /// Returns the session below which all of the same granter have ended, as far as is known here.
    fn end_session<S: Store>(&mut self, end: &SessionEnd, turn: &mut Turn<'_, S>) -> SessionId {
        let granter = end.session.granter();
        let mut all_below = end.all_below;
        if granter == self.config.node {
            let granted = self.sessions.granted.get_mut(&end.client);
            let Some(granted) = granted.filter(|granted| end.session <= granted.last) else {
                // Never granted: there is nothing to end, and nothing to remember.
                return all_below;
            };
            granted.open.remove(&end.session);
            all_below = granted.all_below();
            self.store_grant(&end.client, turn);
        }
        let Known { live, ended } = self.sessions.clients.get_or_insert_with(&end.client, Known::default);
        ended.insert(end.session, end.session);
        if all_below.previous().granter() == granter {
            ended.insert(SessionId::before_first(granter, 0), all_below.previous());
        }
        let ranges = ended.ranges.iter().map(|(first, last)| (*first, *last)).collect();
        if !broken(Canary::SessionEndNotWritten) {
            turn.store.write(Write::PutClient(end.client.clone(), ClientRecord { ended: ranges }));
        }
        let gone: Vec<SessionId> = live.keys().copied().filter(|session| ended.contains(*session)).collect();
        for session in gone {
            self.forget_session(&end.client, session, turn);
        }
        all_below
    }

    fn forget_session<S: Store>(&mut self, client: &ClientName, session: SessionId, turn: &mut Turn<'_, S>) {
        let Some(known) = self.sessions.clients.get_mut(client) else { return };
        let Some(live) = known.live.remove(&session) else { return };
        turn.store.write(Write::DeleteWatermark(client.clone(), session));
        for sequence in live.forgettable {
            self.forget(&TxnId { client: client.clone(), session, sequence }, turn);
        }
    }

    /// Ends the sessions that nobody has used for long, and tells everyone.
    pub(super) fn on_sessions_due<S: Store>(&mut self, turn: &mut Turn<'_, S>) {
        self.agenda.set(Due::Sessions, turn.now.after_ms(SWEEP_MS));
        let idle_ms = self.config.limits.session_idle_ms;
        let mut idle = Vec::new();
        for (client, granted) in &self.sessions.granted {
            let unused = granted.open.iter().filter(|(_, used)| used.after_ms(idle_ms) <= turn.now);
            idle.extend(unused.map(|(session, _)| (client.clone(), *session)));
        }
        for (client, session) in idle {
            let all_below = self
                .end_session(&SessionEnd { client: client.clone(), session, all_below: SessionId(0) }, turn);
            let others: Vec<NodeId> = self.config.directory.participants().to_vec();
            for node in others.into_iter().filter(|node| *node != self.config.node) {
                let end = SessionEnd { client: client.clone(), session, all_below };
                turn.send_node(node, Message::EndSession(end));
            }
        }
    }
}
