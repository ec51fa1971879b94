//! The directory: which participant holds which record.

use crate::ids::{ClientName, NodeId, RecordId};
use alloc::{collections::BTreeMap, string::String, vec::Vec};

/// Maps each table to its participants, and each id of the table to one of them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Directory {
    tables: BTreeMap<String, Vec<NodeId>>,
    all: Vec<NodeId>,
}

impl Directory {
    /// `tables` gives the participants of the tables that have their own; every other table is spread over `all`.
    ///
    /// # Panics
    /// If `all` is empty, or a table has no participants: whoever reads the cluster file refuses that.
    pub fn new(tables: BTreeMap<String, Vec<NodeId>>, all: Vec<NodeId>) -> Self {
        assert!(!all.is_empty() && tables.values().all(|nodes| !nodes.is_empty()));
        Directory { tables, all }
    }

    /// All participants.
    pub fn participants(&self) -> &[NodeId] {
        &self.all
    }

    /// The participant that holds the record.
    pub fn locate(&self, record: &RecordId) -> NodeId {
        let nodes = self.tables.get(record.table()).unwrap_or(&self.all);
        match nodes[..] {
            [only] => only,
            _ => nodes[index(nodes, record.id())],
        }
    }

    /// The participants that may grant a session to a client, in the order in which they are asked.
    pub fn granters(&self, client: &ClientName) -> impl Iterator<Item = NodeId> {
        let first = index(&self.all, client.as_str());
        self.all.iter().cycle().skip(first).take(self.all.len()).copied()
    }
}

fn index(nodes: &[NodeId], key: &str) -> usize {
    (fnv1a(key) % nodes.len() as u64) as usize
}

/// FNV-1a, 64 bits: stable for ever, since it says where data is.
fn fnv1a(text: &str) -> u64 {
    let mixed = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    // The low bits of FNV are weak for short keys, and the remainder uses just these.
    mixed ^ (mixed >> 32)
}
