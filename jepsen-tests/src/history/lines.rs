//! Events out of lines, one by one, each checked against those before it.

use super::{Event, HistoryError, rules::Rules};
use std::io::{BufRead, Read};

/// A line of a history, in bytes, at most.
pub(super) const LINE_BYTES_MAX: usize = 64 << 20;

/// What is wrong in a line.
#[derive(Debug)]
pub(super) struct Fault {
    /// Bytes before it.
    pub(super) offset: usize,
    /// What was found, and what belongs there.
    pub(super) what: String,
}

/// Reads one line; none where it holds no event.
pub(super) type Parse = fn(&str) -> Result<Option<Event>, Fault>;

/// The events of a file, until its end or the first error.
pub(super) struct Events<R> {
    from: R,
    parse: Parse,
    rules: Rules,
    buffer: Vec<u8>,
    line: u64,
    over: bool,
}

impl<R: BufRead> Events<R> {
    pub(super) fn new(from: R, parse: Parse) -> Self {
        Events { from, parse, rules: Rules::default(), buffer: Vec::new(), line: 0, over: false }
    }

    /// The next event; none at the end.
    fn step(&mut self) -> Result<Option<Event>, HistoryError> {
        loop {
            self.buffer.clear();
            self.line += 1;
            let mut limited = (&mut self.from).take(LINE_BYTES_MAX as u64 + 1);
            if limited.read_until(b'\n', &mut self.buffer)? == 0 {
                return Ok(None);
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(self.fault(Fault {
                    offset: LINE_BYTES_MAX,
                    what: format!("a line has at most {LINE_BYTES_MAX} bytes"),
                }));
            }
            let text = std::str::from_utf8(self.buffer.trim_ascii_end()).map_err(|error| {
                self.fault(Fault { offset: error.valid_up_to(), what: "this is not UTF-8".into() })
            })?;
            let Some(event) = (self.parse)(text).map_err(|fault| self.fault(fault))? else { continue };
            self.rules.accept(&event).map_err(|broken| HistoryError::Broken {
                line: self.line,
                index: event.index,
                broken,
            })?;
            return Ok(Some(event));
        }
    }

    fn fault(&self, fault: Fault) -> HistoryError {
        HistoryError::Syntax { line: self.line, column: fault.offset as u64 + 1, what: fault.what }
    }
}

impl<R: BufRead> Iterator for Events<R> {
    type Item = Result<Event, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let event = self.step().transpose();
        self.over = !matches!(event, Some(Ok(_)));
        event
    }
}
