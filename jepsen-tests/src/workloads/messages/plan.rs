//! What a run of messages is about: which mailboxes there are, who consumes them and how, and what is sent.

use super::{PLAIN, RECEIPT, SECOND, WORK};
use crate::random::Random;

/// So many failures nobody has: order is kept, which dead letters leave.
const NEVER: i64 = 1_000_000;
/// Room for all that a run sends.
pub(super) const DEPTH_MAX: i64 = 10_000;

#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// From which mailbox each consumer takes.
    pub(super) consumers: Vec<usize>,
    pub(super) lease_ms: u32,
    pub(super) max: u16,
    pub(super) depth_max: i64,
    pub(super) deliveries_max: i64,
    /// The first mailbox is created when somebody asks for it.
    pub(super) late: bool,
    pub(super) keyless_per_mille: u64,
    pub(super) delay_per_mille: u64,
    pub(super) sends_only_per_mille: u64,
    /// What is processed in the first mailbox is sent on to the second.
    pub(super) sends_on: bool,
}

impl Default for Plan {
    /// That of a run whose consumers nobody has asked for: the mailboxes that there always are, and nothing by chance.
    fn default() -> Plan {
        Plan {
            consumers: vec![WORK, SECOND],
            lease_ms: 1_000,
            max: 1,
            depth_max: DEPTH_MAX,
            deliveries_max: NEVER,
            late: false,
            keyless_per_mille: 200,
            delay_per_mille: 0,
            sends_only_per_mille: 200,
            sends_on: true,
        }
    }
}

impl Plan {
    pub(super) fn drawn(random: &mut Random) -> Plan {
        let mut consumers = vec![WORK, SECOND];
        if random.chance(500) {
            consumers.push(WORK);
        }
        if random.chance(300) {
            consumers.push(PLAIN);
        }
        if random.chance(200) {
            consumers.push(RECEIPT);
        }
        Plan {
            consumers,
            lease_ms: *random.pick(&[5, 30, 200, 1_000]),
            max: 1 + random.below(4) as u16,
            depth_max: if random.chance(300) { 1 + random.below(4) as i64 } else { DEPTH_MAX },
            deliveries_max: if random.chance(250) { 1 + random.below(3) as i64 } else { NEVER },
            late: random.chance(200),
            keyless_per_mille: *random.pick(&[0, 200, 1_000]),
            delay_per_mille: *random.pick(&[0, 0, 200]),
            sends_only_per_mille: *random.pick(&[0, 200, 700]),
            sends_on: random.chance(700),
        }
    }

    /// The mailboxes that there are, each once.
    pub(super) fn mailboxes(&self) -> Vec<usize> {
        let mut all = self.consumers.clone();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether messages of one key take effect in their order.
    pub(super) fn is_ordered(&self) -> bool {
        self.deliveries_max == NEVER
    }
}
