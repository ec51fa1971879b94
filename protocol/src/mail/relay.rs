//! Streams of messages from one participant to one mailbox: numbers without gaps, one number as the filter.
//!
//! The source numbers a message when it is released, and the number is durable before the message leaves. It sends
//! what is not acknowledged yet, in order, a bounded window ahead; an acknowledgement is cumulative. The receiver
//! stores, in one batch, the messages and the last number: what is not above that number it has, what is not next it
//! refuses. So each message arrives once, in order, over a network that loses, doubles and reorders.
//!
//! A refusal of what is not next says which number is the last, and the source goes on behind it at once; but once only for
//! each such number, for every batch behind a lost one is refused. If that is lost too, a timer sends it again.
//!
//! Both sides notice if the other has lost what it once held durably, as after a restore from an old copy of its disk:
//! the source, if the receiver has numbers that the source never gave, or holds another message under one; the
//! receiver, if the source was told that more had arrived than is there.

use super::{Arrived, Envelope, MessageId, StreamSequence};
use alloc::collections::VecDeque;

/// Messages in one relay message at most.
pub const BATCH_MESSAGES_MAX: usize = 256;
/// Bytes of messages in one relay message, about, unless one alone is larger.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;
/// Messages that may be under way in one stream.
pub const WINDOW_MESSAGES_MAX: u64 = 4096;
/// Bytes that may be under way in one stream, about. All streams to a node share one connection, which holds 16 MiB.
pub const WINDOW_BYTES_MAX: usize = 1024 * 1024;

/// The source's side of a stream. The messages themselves are in the store, under their numbers.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Stream {
    /// Everything up to here has arrived, durably.
    acked: StreamSequence,
    /// Everything up to here has been sent at least once on this connection.
    sent: StreamSequence,
    /// The bytes of each message that has not been acknowledged, in order.
    sizes: VecDeque<u32>,
    /// The receiver takes nothing now.
    paused: bool,
    /// The number behind which everything was sent again at once, because what came next was missing there.
    resumed: Option<StreamSequence>,
}

/// What an acknowledgement means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Nothing new.
    None,
    /// All up to here have arrived, provided that the receiver names the right message.
    UpTo(StreamSequence),
    /// The receiver has a number that was never given here.
    NeverGiven,
}

impl Stream {
    /// A stream as it was stored: what was acknowledged, and the bytes of each message after it.
    pub fn recover(acked: StreamSequence, sizes: VecDeque<u32>) -> Stream {
        Stream { acked, sent: acked, sizes, paused: false, resumed: None }
    }

    /// Gives the next message its number.
    pub fn give(&mut self, bytes: usize) -> StreamSequence {
        self.sizes.push_back(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.last()
    }

    /// The last number that was given.
    pub fn last(&self) -> StreamSequence {
        StreamSequence(self.acked.0 + self.sizes.len() as u64)
    }

    /// Everything up to here has arrived.
    pub fn acked(&self) -> StreamSequence {
        self.acked
    }

    /// Messages that have not been acknowledged.
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Whether everything has arrived.
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// Whether another one has given, and knows to have arrived, the same numbers.
    pub fn is_same(&self, other: &Stream) -> bool {
        (self.acked, &self.sizes) == (other.acked, &other.sizes)
    }

    /// Whether something was sent that is not acknowledged.
    pub fn is_under_way(&self) -> bool {
        self.sent > self.acked
    }

    /// Whether the receiver takes nothing now.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Sends everything again that is not acknowledged: the connection is new, or nothing was heard for long.
    pub fn rewind(&mut self) {
        self.sent = self.acked;
        self.paused = false;
        self.resumed = None;
    }

    /// The receiver misses what comes after the last number that is acknowledged: sends it again, if that was not done yet.
    pub fn resume(&mut self) {
        if self.is_under_way() && self.resumed != Some(self.acked) {
            self.sent = self.acked;
            self.resumed = Some(self.acked);
        }
    }

    /// The receiver has refused what came after its last number.
    pub fn pause(&mut self) {
        self.sent = self.acked;
        self.paused = true;
    }

    /// The number of one message that may show that the receiver takes something again, if there is any.
    pub fn probe(&mut self) -> Option<StreamSequence> {
        if self.is_empty() {
            return None;
        }
        self.sent = self.acked.next();
        Some(self.sent)
    }

    /// The first number and the count of messages to be sent next, if there are any and the window allows.
    pub fn next_batch(&mut self) -> Option<(StreamSequence, usize)> {
        let under_way = self.sent.0.checked_sub(self.acked.0).expect("what arrived was sent") as usize;
        if self.paused || under_way as u64 >= WINDOW_MESSAGES_MAX {
            return None;
        }
        let window: usize = self.sizes.iter().take(under_way).map(|bytes| *bytes as usize).sum();
        if under_way > 0 && window >= WINDOW_BYTES_MAX {
            return None;
        }
        let mut bytes = 0;
        let mut count = 0;
        for size in self.sizes.iter().skip(under_way).take(BATCH_MESSAGES_MAX) {
            bytes += *size as usize;
            if count > 0 && bytes > BATCH_BYTES_MAX {
                break;
            }
            count += 1;
        }
        if count == 0 {
            return None;
        }
        let first = self.sent.next();
        self.sent = StreamSequence(self.sent.0 + count as u64);
        Some((first, count))
    }

    /// What it means that all up to `last` have arrived. Changes nothing: see [`Stream::acknowledge`].
    pub fn progress(&self, last: StreamSequence) -> Progress {
        if last > self.last() {
            Progress::NeverGiven
        } else if last > self.acked {
            Progress::UpTo(last)
        } else {
            Progress::None
        }
    }

    /// All up to `last` have arrived. Returns their bytes.
    pub fn acknowledge(&mut self, last: StreamSequence) -> usize {
        let count = (last.0 - self.acked.0) as usize;
        let bytes = self.sizes.drain(..count).map(|bytes| bytes as usize).sum();
        self.acked = last;
        self.sent = self.sent.max(last);
        bytes
    }
}

/// What a receiver does with a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// Skip this many, which are here, and take the rest.
    Take {
        /// How many are here already.
        skip: usize,
    },
    /// Messages are missing before the first one: refused, the source sends them again at once.
    Gap,
    /// This node has lost what it once acknowledged.
    WeLost,
    /// The source has given a number twice.
    TheyLost,
}

/// Judges a batch of `envelopes` numbered from `first`, of a source that knows all up to `acked` to have arrived.
pub fn judge(
    arrived: Option<&Arrived>,
    acked: StreamSequence,
    first: StreamSequence,
    envelopes: &[Envelope],
) -> Judgement {
    let last = arrived.map_or(StreamSequence(0), |arrived| arrived.last);
    if acked > last {
        return Judgement::WeLost;
    }
    if first > last.next() {
        return Judgement::Gap;
    }
    let here = (last.0 + 1 - first.0) as usize;
    let held_as: Option<&MessageId> = here.checked_sub(1).and_then(|place| Some(&envelopes.get(place)?.id));
    match (held_as, arrived) {
        (Some(id), Some(arrived)) if *id != arrived.id => Judgement::TheyLost,
        (_, _) => Judgement::Take { skip: here.min(envelopes.len()) },
    }
}
