//! The links between nodes, and between clients and nodes: what each does to what passes, one way.
//!
//! Two ways to do it: rules in the kernel (cut, loss), or a relay of the lab that everything passes through (all of it).
//! The relay costs time and a hop, so it is only used where it is needed.

use super::{command, relay::Relay};
use crate::attack::error::AttackError;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

/// What a link does to what passes. The default is nothing.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct LinkState {
    /// Nothing passes.
    pub(crate) cut: bool,
    /// So many of a thousand are lost.
    pub(crate) loss_per_mille: u32,
    /// So many of a thousand come twice.
    pub(crate) duplicate_per_mille: u32,
    /// So many of a thousand are overtaken by later ones.
    pub(crate) reorder_per_mille: u32,
    /// How long everything takes on top, in milliseconds.
    pub(crate) delay_ms: u32,
    /// How much longer it may take, evenly spread, in milliseconds.
    pub(crate) jitter_ms: u32,
    /// How much passes, in kilobytes a second; 0: no bound.
    pub(crate) rate_kb_s: u32,
}

/// A link, by the places of its ends.
pub(crate) type Link = (usize, usize);

/// What all links do; a link that is not named does nothing.
pub(crate) type States = Arc<RwLock<BTreeMap<Link, LinkState>>>;

/// All links of a cluster.
#[derive(Debug)]
pub(crate) struct Links {
    /// The nodes in order, and then the clients.
    ends: Vec<String>,
    states: States,
    by: By,
    /// One change at a time.
    changing: Mutex<()>,
}

/// What makes links do what they should.
#[derive(Debug)]
pub(crate) enum By {
    /// Rules in the namespace of the switch, by the addresses of the ends.
    Rules { namespace: String, addresses: Vec<IpAddr> },
    /// A relay, which reads the states itself.
    Relay(Relay),
    /// Nothing: no fault of the network was asked for.
    Nothing,
}

impl Links {
    pub(crate) fn new(ends: Vec<String>, states: States, by: By) -> Result<Links, AttackError> {
        if let By::Rules { namespace, .. } = &by {
            let table = "add table bridge lab\n\
                add chain bridge lab links { type filter hook forward priority 0; policy accept; }\n";
            rules(namespace, table)?;
        }
        Ok(Links { ends, states, by, changing: Mutex::default() })
    }

    /// Changes what links do, named by their ends, from and to.
    pub(crate) fn change(
        &self,
        links: &[[String; 2]],
        change: impl Fn(&mut LinkState),
    ) -> Result<(), AttackError> {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
            for [from, to] in links {
                change(states.entry((self.place(from)?, self.place(to)?)).or_default());
            }
            states.retain(|_, state| *state != LinkState::default());
        }
        self.apply()
    }

    /// All links do nothing any more.
    pub(crate) fn heal(&self) -> Result<(), AttackError> {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.states.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.apply()
    }

    fn place(&self, end: &str) -> Result<usize, AttackError> {
        let found = self.ends.iter().position(|name| name == end);
        found.ok_or_else(|| {
            AttackError::Network(format!("the schedule names {end:?}, and no node is called that"))
        })
    }

    fn apply(&self) -> Result<(), AttackError> {
        match &self.by {
            By::Rules { namespace, addresses } => {
                let states = self.states.read().unwrap_or_else(PoisonError::into_inner).clone();
                rules(namespace, &render(&states, addresses))
            }
            By::Relay(relay) => relay.check(),
            By::Nothing => Ok(()),
        }
    }
}

/// All rules anew, in one transaction of the kernel. Only what carries the protocol is touched: that the lab can always
/// ask a node over HTTP is no part of the cluster.
fn render(states: &BTreeMap<Link, LinkState>, addresses: &[IpAddr]) -> String {
    let mut text = "flush chain bridge lab links\n".to_owned();
    for ((from, to), state) in states {
        let chance = match state {
            LinkState { cut: true, .. } => String::new(),
            LinkState { loss_per_mille: 0, .. } => continue,
            LinkState { loss_per_mille, .. } => format!("numgen random mod 1000 < {loss_per_mille} "),
        };
        let (from, to) = (addresses[*from], addresses[*to]);
        let _ = writeln!(
            text,
            "add rule bridge lab links ip saddr {from} ip daddr {to} meta l4proto udp {chance}drop"
        );
    }
    text
}

fn rules(namespace: &str, text: &str) -> Result<(), AttackError> {
    command::run_with("ip", &["netns", "exec", namespace, "nft", "-f", "-"], text).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_one_way_and_loss_has_its_chance() {
        let addresses: Vec<IpAddr> =
            ["10.1.1.11", "10.1.1.12"].map(|text| text.parse().expect("valid")).into();
        let states = BTreeMap::from([
            ((0, 1), LinkState { cut: true, loss_per_mille: 5, ..LinkState::default() }),
            ((1, 0), LinkState { loss_per_mille: 50, ..LinkState::default() }),
        ]);
        let text = render(&states, &addresses);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "flush chain bridge lab links");
        assert!(lines[1].ends_with("ip saddr 10.1.1.11 ip daddr 10.1.1.12 meta l4proto udp drop"));
        assert!(lines[2].ends_with("ip daddr 10.1.1.11 meta l4proto udp numgen random mod 1000 < 50 drop"));
    }

    #[test]
    fn a_link_to_nowhere_is_an_error_that_names_it() {
        let links = Links::new(vec!["a".into()], States::default(), By::Nothing).expect("nothing to do");
        let error = links.change(&[["a".into(), "b".into()]], |state| state.cut = true).expect_err("no b");
        assert!(error.to_string().contains("\"b\""));
    }
}
