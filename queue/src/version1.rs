//! Databases of storage version 1, before there were messages: a Yes did not say its place among the votes.

use assent_protocol::{
    codec,
    ids::{Digest, NodeId, Sponsor, Stamp},
    operation::{Results, Step},
    storage::{Decided, TxnRecord, Yes},
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Held {
    Yes(Vote),
    Decided(Decided),
}

#[derive(Serialize, Deserialize)]
struct Vote {
    digest: Digest,
    participants: Vec<NodeId>,
    sponsor: Sponsor,
    stamp: Stamp,
    deadline_ms: u32,
    pledged: bool,
    steps: Vec<Step>,
    results: Results,
}

/// What a row of version 1 says.
pub(crate) fn decode(value: &[u8]) -> Result<TxnRecord, codec::DecodeError> {
    Ok(match codec::decode(value)? {
        Held::Decided(decided) => TxnRecord::Decided(decided),
        Held::Yes(Vote { digest, participants, sponsor, stamp, deadline_ms, pledged, steps, results }) => {
            let position = None;
            TxnRecord::Yes(Yes {
                digest,
                participants,
                sponsor,
                stamp,
                deadline_ms,
                pledged,
                steps,
                results,
                position,
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vote_of_version_1_is_read_with_all_that_it_says() {
        let yes = Yes {
            digest: Digest([7; 32]),
            participants: vec![NodeId(1), NodeId(2)],
            sponsor: Sponsor {
                node: NodeId(3),
                incarnation: assent_protocol::ids::Incarnation(8),
                attempt: 4,
            },
            stamp: Stamp(5),
            deadline_ms: 6,
            pledged: true,
            steps: Vec::new(),
            results: Vec::new(),
            position: None,
        };
        let mut bytes = codec::encode(&TxnRecord::Yes(yes.clone()));
        // The last byte says that there is no place; it was not there.
        assert_eq!(bytes.pop(), Some(0));
        assert!(codec::decode::<TxnRecord>(&bytes).is_err());
        assert_eq!(decode(&bytes), Ok(TxnRecord::Yes(yes)));
    }
}
