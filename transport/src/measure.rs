//! The figures of the transport, by their names in the metrics.

use crate::principal::Role;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

const CONNECTIONS: &str = "assent_transport_connections";
const FRAMES: &str = "assent_transport_frames_total";
const BYTES: &str = "assent_transport_bytes_total";
const REFUSED: &str = "assent_transport_refused_total";

/// Handles that are looked up once: a lookup per batch of frames would cost more than the batch's accounting.
pub(crate) struct Meters {
    frames_in: Counter,
    frames_out: Counter,
    bytes_in: Counter,
    bytes_out: Counter,
}

impl Meters {
    pub(crate) fn new() -> Meters {
        describe_gauge!(CONNECTIONS, "Connections that are up, by the peer's role");
        describe_counter!(FRAMES, "Frames, by direction");
        describe_counter!(BYTES, "Bytes of frames with their headers, by direction");
        describe_counter!(
            REFUSED,
            "Connections and handshakes refused or ended for what the peer did, by reason"
        );
        Meters {
            frames_in: counter!(FRAMES, "direction" => "in"),
            frames_out: counter!(FRAMES, "direction" => "out"),
            bytes_in: counter!(BYTES, "direction" => "in"),
            bytes_out: counter!(BYTES, "direction" => "out"),
        }
    }

    pub(crate) fn received(&self, frames: usize, bytes: usize) {
        self.frames_in.increment(frames as u64);
        self.bytes_in.increment(bytes as u64);
    }

    pub(crate) fn sent(&self, frames: u64, bytes: usize) {
        self.frames_out.increment(frames);
        self.bytes_out.increment(bytes as u64);
    }
}

/// The connections to peers of one role.
pub(crate) fn connections(role: Role) -> Gauge {
    gauge!(CONNECTIONS, "role" => role.as_str())
}

/// One more refusal for this reason.
pub(crate) fn count_refused(reason: &'static str) {
    counter!(REFUSED, "reason" => reason).increment(1);
}
