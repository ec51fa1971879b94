//! One connection that is up: two streams in each direction, frames to messages and back.
//!
//! Not here: how it came to be (`accept`, `dial`). The four loops below run in one task; the first that ends, ends
//! the connection. Frames that have arrived are given up even while the other side is closing.

use crate::{
    endpoint::{Event, Shared},
    frames::{FrameBuffer, Lane},
    lane::Outgoing,
    measure,
    principal::{Principal, Role},
    refusal::Refusal,
    roles,
};
use assent_protocol::{codec, ids::Peer, message::Message};
use quinn::{ConnectionError, ReadError, ReadExactError, RecvStream, SendStream, StoppedError, WriteError};
use std::{sync::Arc, time::Instant};

/// A connection, for as long as it is up.
pub(crate) struct Connection {
    pub(crate) peer: Peer,
    pub(crate) role: Role,
    pub(crate) outgoing: Outgoing,
}

/// The streams of a connection, each accepted by both sides.
pub(crate) struct Streams {
    urgent: (SendStream, RecvStream),
    bulk: (SendStream, RecvStream),
}

/// Why a connection ended, or never was.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// QUIC says so: the peer closed or vanished, or this side closed it elsewhere.
    Lost(ConnectionError),
    /// The peer did what it must not.
    Refused(Refusal),
    /// Nobody takes this endpoint's events any more.
    Abandoned,
}

impl From<ConnectionError> for End {
    fn from(error: ConnectionError) -> End {
        End::Lost(error)
    }
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> End {
        End::Refused(refusal)
    }
}

/// Opens both streams, and waits until the peer has accepted them: until then it may still refuse this side's
/// certificate or name, for in TLS 1.3 the dialling side is done first.
pub(crate) async fn open_streams(connection: &quinn::Connection) -> Result<Streams, End> {
    let mut urgent = connection.open_bi().await?;
    let mut bulk = connection.open_bi().await?;
    greet(&mut urgent.0, Lane::Urgent).await?;
    greet(&mut bulk.0, Lane::Bulk).await?;
    expect_greeting(&mut urgent.1, Lane::Urgent).await?;
    expect_greeting(&mut bulk.1, Lane::Bulk).await?;
    Ok(Streams { urgent, bulk })
}

/// Accepts both streams. Called only when the peer's certificate has been accepted.
pub(crate) async fn accept_streams(connection: &quinn::Connection) -> Result<Streams, End> {
    let mut urgent = connection.accept_bi().await?;
    let mut bulk = connection.accept_bi().await?;
    expect_greeting(&mut urgent.1, Lane::Urgent).await?;
    expect_greeting(&mut bulk.1, Lane::Bulk).await?;
    greet(&mut urgent.0, Lane::Urgent).await?;
    greet(&mut bulk.0, Lane::Bulk).await?;
    Ok(Streams { urgent, bulk })
}

async fn greet(send: &mut SendStream, lane: Lane) -> Result<(), End> {
    // The stream was opened a moment ago; where it is gone already, the next read says why.
    let _ = send.set_priority(lane.priority());
    send.write_all(&[lane.preface()]).await.map_err(write_end)
}

async fn expect_greeting(receive: &mut RecvStream, lane: Lane) -> Result<(), End> {
    let mut preface = [0];
    receive.read_exact(&mut preface).await.map_err(|error| match error {
        ReadExactError::FinishedEarly(_) => End::Refused(Refusal::Truncated),
        ReadExactError::ReadError(error) => read_end(error),
    })?;
    if preface[0] == lane.preface() { Ok(()) } else { Err(End::Refused(Refusal::WrongPreface(preface[0]))) }
}

/// Keeps a connection from its Up to its Down. Returns why it ended; by then it is closed.
pub(crate) async fn keep(
    shared: &Arc<Shared>,
    quic: &quinn::Connection,
    streams: Streams,
    peer: Peer,
    principal: &Principal,
) -> End {
    let seat = match peer {
        Peer::Client(_) => None,
        Peer::Node(node) => match shared.peers.take_seat(node, quic).await {
            Some(seat) => Some(seat),
            None => return End::Lost(quic.closed().await),
        },
    };
    let Principal { role, name } = principal.clone();
    let connection =
        Arc::new(Connection { peer, role, outgoing: Outgoing::new(shared.config.buffer_bytes_max) });
    shared.peers.insert(&connection);
    measure::connections(role).increment(1);
    tracing::info!(peer = %principal, address = %quic.remote_address(), "up");

    let end = match shared.events.send(Event::Up { peer, role, name }).await {
        Ok(()) => run(shared, quic, &connection, streams).await,
        Err(_) => End::Abandoned,
    };

    close(quic, &end);
    shared.peers.remove(peer);
    connection.outgoing.end();
    measure::connections(role).decrement(1);
    // Where nobody takes events, the endpoint is ending already.
    let _ = shared.events.send(Event::Down { peer }).await;
    drop(seat);
    end
}

/// Tells the peer what it did, if it did something.
pub(crate) fn close(quic: &quinn::Connection, end: &End) {
    match end {
        End::Refused(refusal) => quic.close(refusal.code(), refusal.to_string().as_bytes()),
        End::Lost(_) | End::Abandoned => quic.close(crate::refusal::CODE_CLOSING, b"closing"),
    }
}

async fn run(shared: &Shared, quic: &quinn::Connection, connection: &Connection, streams: Streams) -> End {
    let Streams { urgent, bulk } = streams;
    // Readers first: what arrived before a close is handed up before the close is noticed.
    tokio::select! {
        biased;
        end = read(shared, quic, connection, Lane::Urgent, urgent.1) => end,
        end = read(shared, quic, connection, Lane::Bulk, bulk.1) => end,
        end = write(shared, quic, connection, Lane::Urgent, urgent.0) => end,
        end = write(shared, quic, connection, Lane::Bulk, bulk.0) => end,
    }
}

async fn read(
    shared: &Shared,
    quic: &quinn::Connection,
    connection: &Connection,
    lane: Lane,
    mut stream: RecvStream,
) -> End {
    let mut buffer = FrameBuffer::new(lane.frame_bytes_max());
    loop {
        match stream.read(buffer.space()).await {
            Ok(Some(count)) => {
                buffer.filled(count);
                if let Err(end) = hand_up(shared, connection, &mut buffer, count).await {
                    return end;
                }
            }
            Ok(None) if buffer.is_amid_frame() => return End::Refused(Refusal::Truncated),
            // The peer is closing: it sends nothing more, and ends the connection when it has its answers.
            Ok(None) => return End::Lost(quic.closed().await),
            Err(error) => return read_end(error),
        }
    }
}

/// Gives every complete frame up as one event. What came before a bad frame is handed up as well.
async fn hand_up(
    shared: &Shared,
    connection: &Connection,
    buffer: &mut FrameBuffer,
    bytes: usize,
) -> Result<(), End> {
    let mut messages = Vec::new();
    let verdict = loop {
        match next_message(shared, connection, buffer) {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => break Ok(()),
            Err(refusal) => break Err(End::Refused(refusal)),
        }
    };
    shared.meters.received(messages.len(), bytes);
    if !messages.is_empty() {
        let event = Event::Messages { peer: connection.peer, messages, arrived: Instant::now() };
        shared.events.send(event).await.map_err(|_| End::Abandoned)?;
    }
    verdict
}

fn next_message(
    shared: &Shared,
    connection: &Connection,
    buffer: &mut FrameBuffer,
) -> Result<Option<Message>, Refusal> {
    let Some(frame) = buffer.next_frame()? else {
        return Ok(None);
    };
    let message: Message = codec::decode(frame).map_err(Refusal::Malformed)?;
    message.check().map_err(|why| Refusal::invalid(&message, why))?;
    let own = shared.config.identity.role();
    if !roles::may_send(connection.role, own, &message) {
        return Err(Refusal::forbidden(connection.role, own, &message));
    }
    Ok(Some(message))
}

async fn write(
    shared: &Shared,
    quic: &quinn::Connection,
    connection: &Connection,
    lane: Lane,
    mut stream: SendStream,
) -> End {
    while let Some(batch) = connection.outgoing.take(lane).await {
        let bytes = batch.bytes.len();
        if let Err(error) = stream.write_chunk(batch.bytes).await {
            return write_end(error);
        }
        connection.outgoing.written(lane, bytes);
        shared.meters.sent(batch.frames, bytes);
    }
    // Finishing twice is the only way to fail, and this is the only place that finishes.
    let _ = stream.finish();
    match stream.stopped().await {
        Err(StoppedError::ConnectionLost(error)) => return End::Lost(error),
        Err(StoppedError::ZeroRttRejected) | Ok(_) => connection.outgoing.lane_flushed(),
    }
    End::Lost(quic.closed().await)
}

fn read_end(error: ReadError) -> End {
    match error {
        ReadError::ConnectionLost(error) => End::Lost(error),
        // Assent neither resets streams nor reads out of order nor uses 0-RTT: only a reset can get here.
        ReadError::Reset(_)
        | ReadError::ClosedStream
        | ReadError::IllegalOrderedRead
        | ReadError::ZeroRttRejected => End::Refused(Refusal::StreamBroken),
    }
}

fn write_end(error: WriteError) -> End {
    match error {
        WriteError::ConnectionLost(error) => End::Lost(error),
        // Only a peer that breaks the protocol stops a stream.
        WriteError::Stopped(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected => {
            End::Refused(Refusal::StreamBroken)
        }
    }
}
