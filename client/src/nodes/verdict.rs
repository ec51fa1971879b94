//! What follows from what participants hold. Pure. For people: peeking never counts towards "all Yes".

use super::{NodeReply, Report, Verdict};
use assent_protocol::{
    ids::{NodeId, TxnId},
    message::Held,
    operation::Results,
    outcome::AbortReason,
};

/// Sums up the replies.
pub(super) fn report(id: &TxnId, replies: Vec<NodeReply<(Held, Vec<NodeId>)>>) -> Report {
    let mut participants = Vec::new();
    let mut nodes = Vec::new();
    for NodeReply { node, role, name, reply } in replies {
        let reply = reply.map(|(held, list)| {
            if !list.is_empty() {
                participants = list;
            }
            held
        });
        nodes.push(NodeReply { node, role, name, reply });
    }
    Report { id: id.clone(), verdict: verdict(&nodes, &participants), participants, nodes }
}

fn verdict(nodes: &[NodeReply<Held>], participants: &[NodeId]) -> Verdict {
    // Who is not on the list holds nothing of it, and its silence says nothing.
    let counts = |node: &NodeId| participants.is_empty() || participants.contains(node);
    let mut committed: Option<Results> = None;
    let mut aborted: Option<AbortReason> = None;
    let (mut undecided, mut expired, mut silent) = (false, false, false);
    for reply in nodes.iter().filter(|reply| counts(&reply.node)) {
        match &reply.reply {
            Ok(Held::Committed(results)) => committed.get_or_insert_default().extend(results.iter().cloned()),
            Ok(Held::Aborted(reason)) => aborted = Some(reason.clone()),
            Ok(Held::Yes { .. } | Held::Queued(_)) => undecided = true,
            Ok(Held::Expired) => expired = true,
            Ok(Held::Blank | Held::IdReused | Held::Declined(_)) => {}
            Err(_) => silent = true,
        }
    }
    match (committed, aborted) {
        (Some(mut results), _) => {
            results.sort_by_key(|(index, _)| *index);
            Verdict::Committed(results)
        }
        (None, Some(reason)) => Verdict::Aborted(reason),
        // To a participant that holds a Yes, a peer's Expired means aborted (R11); it will find that out by itself.
        (None, None) if undecided => Verdict::InDoubt,
        (None, None) if silent => Verdict::Unknown,
        (None, None) if expired => Verdict::Forgotten,
        (None, None) => Verdict::NotHeld,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::QueryError;
    use assent_protocol::{
        ids::{ClientName, Sequence, SessionId, Sponsor},
        operation::ReadResult,
    };
    use assent_transport::Role;

    fn judged(held: &[Result<Held, QueryError>], participants: &[u16]) -> Verdict {
        let list: Vec<NodeId> = participants.iter().copied().map(NodeId).collect();
        let replies = (3..).zip(held).map(|(node, held)| NodeReply {
            node: NodeId(node),
            role: Role::Participant,
            name: format!("p{node}"),
            reply: held.clone().map(|held| (held, list.clone())),
        });
        let client = ClientName::new("app").expect("valid");
        let id = TxnId { client, session: SessionId(1), sequence: Sequence(1) };
        report(&id, replies.collect()).verdict
    }

    fn yes() -> Held {
        let sponsor = Sponsor { node: NodeId(1), incarnation: Default::default(), attempt: 1 };
        Held::Yes { sponsor, pledged: true }
    }

    #[test]
    fn one_outcome_is_the_outcome_and_yes_alone_is_none() {
        let silent = || Err(QueryError::Silent { waited_ms: 1 });
        let count = |n| ReadResult::Count(n);
        let committed = |index, n| Ok(Held::Committed(vec![(index, count(n))]));
        assert_eq!(
            judged(&[committed(4, 1), committed(2, 7)], &[3, 4]),
            Verdict::Committed(vec![(2, count(7)), (4, count(1))])
        );
        let aborted = Ok(Held::Aborted(AbortReason::Conflict));
        assert_eq!(judged(&[Ok(yes()), aborted, silent()], &[]), Verdict::Aborted(AbortReason::Conflict));
        assert_eq!(judged(&[Ok(yes()), Ok(yes())], &[3, 4]), Verdict::InDoubt);
        assert_eq!(judged(&[Ok(Held::Blank), silent()], &[]), Verdict::Unknown);
        assert_eq!(judged(&[Ok(Held::Blank), Ok(Held::Blank), silent()], &[3, 4]), Verdict::NotHeld);
        assert_eq!(judged(&[Ok(Held::Blank), Ok(Held::Expired)], &[]), Verdict::Forgotten);
    }
}
