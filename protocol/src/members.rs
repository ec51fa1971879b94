//! Some of a transaction's participants: those that have voted, say, or that hold the outcome.
//!
//! The invariant: a set is only ever asked about the list that it was made for. It holds places in it, not nodes.

use crate::{ids::NodeId, message::PARTICIPANTS_MAX};

/// A set of participants of one transaction, by their places in its list, which is sorted.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Members(u64);

const _: () = assert!(PARTICIPANTS_MAX <= u64::BITS as usize);

impl Members {
    /// Everyone.
    pub(crate) fn all(list: &[NodeId]) -> Members {
        Members(u64::MAX.checked_shr(u64::BITS - list.len() as u32).unwrap_or(0))
    }

    /// Adds a participant; says whether it was not there. Who is not on the list is not added.
    pub(crate) fn add(&mut self, list: &[NodeId], node: NodeId) -> bool {
        let before = self.0;
        self.0 |= Members::one(list, node);
        self.0 != before
    }

    pub(crate) fn contain(self, list: &[NodeId], node: NodeId) -> bool {
        self.0 & Members::one(list, node) != 0
    }

    pub(crate) fn are_all(self, list: &[NodeId]) -> bool {
        self == Members::all(list)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    fn one(list: &[NodeId], node: NodeId) -> u64 {
        list.iter().position(|listed| *listed == node).map_or(0, |place| 1 << place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_list_of_any_length_is_full_when_the_last_is_added() {
        for length in 1..=PARTICIPANTS_MAX as u16 {
            let list: Vec<NodeId> = (0..length).map(|node| NodeId(node * 3)).collect();
            let mut some = Members::default();
            for (count, node) in list.iter().enumerate() {
                assert!(!some.are_all(&list) && !some.contain(&list, *node) && some.len() == count);
                assert!(some.add(&list, *node) && !some.add(&list, *node));
                assert!(!some.add(&list, NodeId(node.0 + 1)), "it is not on the list");
            }
            assert!(some.are_all(&list) && some == Members::all(&list));
        }
    }
}
