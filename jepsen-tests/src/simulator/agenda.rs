//! What happens when: one queue of events for the whole cluster.
//!
//! Invariant: events come out by time, and those of one moment in the order in which they were put in.

use std::{cmp::Reverse, collections::BinaryHeap};

/// The queue. Events stay where they were put; the heap moves only their places.
pub(super) struct Agenda<E> {
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    events: Vec<Option<E>>,
    free: Vec<u32>,
    sequence: u64,
}

impl<E> Agenda<E> {
    pub(super) fn new() -> Self {
        Agenda { heap: BinaryHeap::new(), events: Vec::new(), free: Vec::new(), sequence: 0 }
    }

    /// Puts in an event for a moment, in microseconds of the true time.
    pub(super) fn put(&mut self, at_us: u64, event: E) {
        let place = match self.free.pop() {
            Some(place) => {
                self.events[place as usize] = Some(event);
                place
            }
            None => {
                self.events.push(Some(event));
                (self.events.len() - 1) as u32
            }
        };
        self.sequence += 1;
        self.heap.push(Reverse((at_us, self.sequence, place)));
    }

    /// Takes out the next event and its moment.
    pub(super) fn take(&mut self) -> Option<(u64, E)> {
        let Reverse((at_us, _, place)) = self.heap.pop()?;
        self.free.push(place);
        let event = self.events[place as usize].take().expect("a place in the heap holds an event");
        Some((at_us, event))
    }
}
