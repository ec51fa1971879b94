//! The bookkeeping of one session: which requests are outstanding, and so where the watermark is.
//!
//! Pure. Invariant: the watermark is the smallest outstanding sequence, or the next one to be given out if none is
//! outstanding, and the next one is never more than [`SESSION_WINDOW_MAX`] ahead of it.

use assent_protocol::{ids::Sequence, message::SESSION_WINDOW_MAX};
use std::collections::VecDeque;

/// The requests of one session from its watermark on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The watermark.
    first: u64,
    /// For each sequence from the watermark on: whether it is settled. The first one never is.
    settled: VecDeque<bool>,
    outstanding: usize,
}

impl Window {
    /// Of a new session: sequences start at 1.
    pub(crate) fn new() -> Window {
        Window { first: 1, settled: VecDeque::new(), outstanding: 0 }
    }

    /// Of an earlier session, of which just these are outstanding.
    pub(crate) fn resume(outstanding: impl IntoIterator<Item = Sequence>) -> Window {
        let mut sequences: Vec<u64> = outstanding.into_iter().map(|sequence| sequence.0).collect();
        sequences.sort_unstable();
        sequences.dedup();
        let first = sequences.first().copied().unwrap_or(1);
        let mut settled = VecDeque::new();
        for sequence in &sequences {
            let index = usize::try_from(sequence - first).unwrap_or(usize::MAX);
            settled.resize(index, true);
            settled.push_back(false);
        }
        Window { first, settled, outstanding: sequences.len() }
    }

    /// The next sequence, which is outstanding from now on; none while the window is full.
    pub(crate) fn next(&mut self) -> Option<Sequence> {
        if self.settled.len() as u64 >= SESSION_WINDOW_MAX {
            return None;
        }
        let sequence = self.end();
        self.settled.push_back(false);
        self.outstanding += 1;
        Some(sequence)
    }

    /// The sequence that [`Window::next`] gives out next.
    pub(crate) fn end(&self) -> Sequence {
        Sequence(self.first + self.settled.len() as u64)
    }

    /// The client has the answer, or lets go of it. Says whether there is room now where there was none.
    pub(crate) fn settle(&mut self, sequence: Sequence) -> bool {
        let was_full = self.settled.len() as u64 >= SESSION_WINDOW_MAX;
        let index = sequence.0.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(settled) = index.and_then(|index| self.settled.get_mut(index))
            && !*settled
        {
            *settled = true;
            self.outstanding -= 1;
        }
        while self.settled.front() == Some(&true) {
            self.settled.pop_front();
            self.first += 1;
        }
        was_full && (self.settled.len() as u64) < SESSION_WINDOW_MAX
    }

    /// Every answer below this is known.
    pub(crate) fn watermark(&self) -> Sequence {
        Sequence(self.first)
    }

    /// How many are outstanding.
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watermark_is_the_smallest_outstanding() {
        let mut window = Window::new();
        assert_eq!(window.watermark(), Sequence(1));
        for expected in 1..=4 {
            assert_eq!(window.next(), Some(Sequence(expected)));
        }
        window.settle(Sequence(2));
        window.settle(Sequence(3));
        assert_eq!(window.watermark(), Sequence(1));
        window.settle(Sequence(1));
        assert_eq!(window.watermark(), Sequence(4));
        window.settle(Sequence(4));
        assert_eq!((window.watermark(), window.end(), window.outstanding()), (Sequence(5), Sequence(5), 0));
    }

    #[test]
    fn settling_twice_or_what_was_never_given_out_changes_nothing() {
        let mut window = Window::new();
        window.next();
        window.next();
        window.settle(Sequence(1));
        let before = window.clone();
        for sequence in [0, 1, 3, 400, u64::MAX] {
            assert!(!window.settle(Sequence(sequence)));
        }
        assert_eq!(window, before);
    }

    #[test]
    fn an_unresolved_request_stops_the_session_at_the_window() {
        let mut window = Window::new();
        for _ in 0..SESSION_WINDOW_MAX {
            let sequence = window.next().expect("there is room");
            assert!(sequence.0 - window.watermark().0 <= SESSION_WINDOW_MAX);
            if sequence != Sequence(1) {
                assert!(!window.settle(sequence));
            }
        }
        assert_eq!(window.next(), None);
        assert_eq!(window.outstanding(), 1);
        assert!(window.settle(Sequence(1)));
        assert_eq!(window.next(), Some(Sequence(SESSION_WINDOW_MAX + 1)));
        assert_eq!(window.watermark(), Sequence(SESSION_WINDOW_MAX + 1));
    }

    #[test]
    fn a_resumed_session_holds_its_watermark_at_the_oldest_unfinished() {
        let mut window = Window::resume([9, 5, 7, 7].map(Sequence));
        assert_eq!((window.watermark(), window.end(), window.outstanding()), (Sequence(5), Sequence(10), 3));
        window.settle(Sequence(5));
        assert_eq!(window.watermark(), Sequence(7));
        window.settle(Sequence(9));
        window.settle(Sequence(7));
        assert_eq!((window.watermark(), window.outstanding()), (Sequence(10), 0));
        assert_eq!(Window::resume([]), Window::new());
    }
}
