//! Frames: how messages are told apart in a stream of bytes. A `u32` in little endian, then as many bytes of codec.
//!
//! Not here: the codec, and sockets. `FrameBuffer` takes bytes as they come and gives frames as they complete; it
//! allocates for what has arrived and never for what a header only announces.

use assent_protocol::{codec::FRAME_BYTES_MAX, message::Message};

/// The largest frame that travels on the urgent stream, its header not counted, in bytes. Larger ones take the
/// bulk stream.
pub const URGENT_FRAME_BYTES_MAX: usize = 16 * 1024;
/// The length before each frame, in bytes.
pub(crate) const HEADER_BYTES: usize = 4;
/// What one read takes at most while frames are small, in bytes.
const READ_BYTES: usize = 64 * 1024;
/// A buffer that has grown beyond this for a large frame is given back, in bytes.
const KEEP_BYTES_MAX: usize = 1024 * 1024;

/// The two streams of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// Frames up to [`URGENT_FRAME_BYTES_MAX`].
    Urgent,
    /// All larger ones, and all whose order counts whatever their size; sends only when the urgent stream has nothing to send.
    Bulk,
}

impl Lane {
    /// The lane for a frame of this length.
    pub(crate) fn for_frame(bytes: usize) -> Lane {
        if bytes <= URGENT_FRAME_BYTES_MAX { Lane::Urgent } else { Lane::Bulk }
    }

    /// The lane for a message of this length. Of a stream of messages some are large and some are small: on two lanes
    /// they would overtake each other, and what comes too early is refused.
    pub(crate) fn for_message(message: &Message, bytes: usize) -> Lane {
        if matches!(message, Message::Relay { .. }) { Lane::Bulk } else { Lane::for_frame(bytes) }
    }

    /// The first byte on the stream, in both directions: opens it, and answers that it was accepted.
    pub(crate) fn preface(self) -> u8 {
        match self {
            Lane::Urgent => 1,
            Lane::Bulk => 2,
        }
    }

    /// QUIC sends the stream of the higher number first.
    pub(crate) fn priority(self) -> i32 {
        match self {
            Lane::Urgent => 1,
            Lane::Bulk => 0,
        }
    }

    /// The largest frame that may arrive on it.
    pub(crate) fn frame_bytes_max(self) -> usize {
        match self {
            Lane::Urgent => URGENT_FRAME_BYTES_MAX,
            Lane::Bulk => FRAME_BYTES_MAX,
        }
    }
}

/// The header of a frame; none if the frame is too large for any lane.
pub(crate) fn header(frame_bytes: usize) -> Option<[u8; HEADER_BYTES]> {
    if frame_bytes > FRAME_BYTES_MAX {
        return None;
    }
    u32::try_from(frame_bytes).ok().map(u32::to_le_bytes)
}

/// A header announced more than the lane carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooLarge {
    pub(crate) bytes: usize,
    pub(crate) bytes_max: usize,
}

/// Bytes that have arrived and are not taken yet: `bytes[start..end]`.
pub(crate) struct FrameBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    frame_bytes_max: usize,
}

impl FrameBuffer {
    pub(crate) fn new(frame_bytes_max: usize) -> FrameBuffer {
        FrameBuffer { bytes: vec![0; READ_BYTES], start: 0, end: 0, frame_bytes_max }
    }

    /// Room for the next read; never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > KEEP_BYTES_MAX {
                self.bytes = vec![0; READ_BYTES];
            }
        }
        if self.start > 0 && self.bytes.len() - self.end < READ_BYTES / 2 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.bytes.len() {
            // Doubling follows what has arrived, so an announced frame that never comes costs nothing.
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// Counts in what was read into `space`.
    pub(crate) fn filled(&mut self, bytes: usize) {
        self.end += bytes;
        assert!(self.end <= self.bytes.len(), "more was read than there was room for");
    }

    /// The next complete frame, without its header; none until more has arrived.
    pub(crate) fn next_frame(&mut self) -> Result<Option<&[u8]>, TooLarge> {
        let Some((header, rest)) = self.bytes[self.start..self.end].split_first_chunk::<HEADER_BYTES>()
        else {
            return Ok(None);
        };
        let bytes = u32::from_le_bytes(*header) as usize;
        if bytes > self.frame_bytes_max {
            return Err(TooLarge { bytes, bytes_max: self.frame_bytes_max });
        }
        if rest.len() < bytes {
            return Ok(None);
        }
        let from = self.start + HEADER_BYTES;
        self.start = from + bytes;
        Ok(Some(&self.bytes[from..from + bytes]))
    }

    /// Whether a frame has begun and not ended.
    pub(crate) fn is_amid_frame(&self) -> bool {
        self.start != self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(content: &[u8]) -> Vec<u8> {
        let mut bytes = header(content.len()).expect("small").to_vec();
        bytes.extend_from_slice(content);
        bytes
    }

    fn feed(buffer: &mut FrameBuffer, bytes: &[u8], step: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        for part in bytes.chunks(step) {
            let mut part = part;
            while !part.is_empty() {
                let space = buffer.space();
                let count = part.len().min(space.len());
                space[..count].copy_from_slice(&part[..count]);
                buffer.filled(count);
                part = &part[count..];
            }
            while let Some(frame) = buffer.next_frame().expect("none is too large") {
                frames.push(frame.to_vec());
            }
        }
        frames
    }

    #[test]
    fn frames_come_out_whole_however_they_are_cut() {
        let contents: Vec<Vec<u8>> =
            (0..200_usize).map(|i| vec![i as u8; [0, 1, 3, 4, 5, 100, 70_000][i % 7]]).collect();
        let bytes: Vec<u8> = contents.iter().flat_map(|content| frame(content)).collect();
        for step in [1013, 1 << 16, 1 << 20, bytes.len()] {
            let mut buffer = FrameBuffer::new(FRAME_BYTES_MAX);
            assert_eq!(feed(&mut buffer, &bytes, step), contents, "in steps of {step}");
            assert!(!buffer.is_amid_frame());
        }
        let mut buffer = FrameBuffer::new(FRAME_BYTES_MAX);
        assert_eq!(feed(&mut buffer, &bytes[..2000], 1).len(), 6, "byte by byte");
        assert!(buffer.is_amid_frame());
    }

    #[test]
    fn an_oversized_frame_is_refused_at_its_header() {
        let mut buffer = FrameBuffer::new(100);
        buffer.space()[..4].copy_from_slice(&101_u32.to_le_bytes());
        buffer.filled(4);
        assert_eq!(buffer.next_frame(), Err(TooLarge { bytes: 101, bytes_max: 100 }));
    }

    #[test]
    fn an_announced_frame_costs_nothing_before_it_comes() {
        let mut buffer = FrameBuffer::new(FRAME_BYTES_MAX);
        buffer.space()[..4].copy_from_slice(&(FRAME_BYTES_MAX as u32).to_le_bytes());
        buffer.filled(4);
        assert_eq!(buffer.next_frame(), Ok(None));
        assert!(buffer.space().len() <= READ_BYTES);
    }

    #[test]
    fn memory_of_a_large_frame_is_given_back() {
        let mut buffer = FrameBuffer::new(FRAME_BYTES_MAX);
        feed(&mut buffer, &frame(&vec![7; FRAME_BYTES_MAX]), 1 << 16);
        assert!(buffer.space().len() <= READ_BYTES);
    }
}
