//! Swarm testing: what each seed draws. Most faults are left out of most runs, so that what one hides another shows.

use super::{Lasting, Options};
use crate::random::Random;

impl Options {
    /// What this seed draws.
    pub fn drawn(seed: u64) -> Self {
        let mut options = Options::calm(seed);
        let random = &mut Random::new(seed ^ 0xfa01);
        options.draw_sizes(random);
        options.draw_clients(random);
        options.draw_limits(random);
        if random.chance(50) {
            options.draw_patient(random);
        } else if random.chance(220) {
            options.draw_lasting(random);
        } else {
            options.draw_network(random);
            options.draw_nodes(random);
            // A stream of its own: whether a seed is one of these changes nothing of the others.
            let random = &mut Random::new(seed ^ 0xec40);
            if random.chance(60) {
                options.draw_echoes(random);
            }
        }
        options.draw_mail(&mut Random::new(seed ^ 0x6d61_696c));
        options.draw_sessions(&mut Random::new(seed ^ 0x5e55));
        options
    }

    /// Of a sequence of its own, since it came later: what seeds draw besides stays as it is.
    fn draw_sessions(&mut self, random: &mut Random) {
        if self.patient == 0 && random.chance(150) {
            self.leave_per_mille = *random.pick(&[30, 200, 1_000]);
        }
        // They end under the feet of clients that still ask.
        if self.patient == 0 && random.chance(80) {
            self.session_idle_ms = *random.pick(&[1_000, 2_000, 4_000]);
            self.keep_ms = 2 * self.session_idle_ms;
        }
    }

    /// Of a sequence of its own, as [`Options::draw_sessions`].
    fn draw_mail(&mut self, random: &mut Random) {
        if random.chance(120) {
            self.outbox_max = 2 + random.below(5);
        }
        self.relay_retry_ms = *random.pick(&[5, 40, 200, 1_000]);
        if self.lasting == Lasting::None && self.patient == 0 {
            self.consumer_crashes = if random.chance(400) { 1 + random.below(4) } else { 0 };
            self.consumer_disconnects = if random.chance(300) { 1 + random.below(4) } else { 0 };
        }
    }

    fn draw_sizes(&mut self, random: &mut Random) {
        self.participants = *random.pick(&[1, 2, 2, 2, 3, 3, 3, 4]);
        self.coordinators = *random.pick(&[1, 2, 2, 3, 3]);
        self.clients = 1 + random.below(4);
        self.processes = 1 + random.below(3);
        self.requests = if random.chance(40) { 80 } else { 3 + random.below(14) };
        let span_ms = *random.pick(&[400, 2_000, 6_000]);
        self.ms_of_faults = 100 + random.below(span_ms);
        // The load lasts about as long as the faults do.
        self.think_us_max =
            if random.chance(200) { 500 } else { 1 + 1_600 * self.ms_of_faults / self.requests };
        self.deadline_ms_max = *random.pick(&[30, 300, 1_000, 1_000, 4_000]);
        self.patience_ms_max = *random.pick(&[10, 200, 1_500, 1_500]);
        self.delay_us_max = *random.pick(&[100, 500, 2_000, 2_000, 20_000, 60_000]);
        self.sync_us_max = *random.pick(&[50, 300, 3_000, 3_000, 40_000]);
        self.background_sync_ms = *random.pick(&[1, 20, 20, 500]);
    }

    fn draw_clients(&mut self, random: &mut Random) {
        let maybe = |random: &mut Random, chance, bound| {
            if random.chance(chance) { 1 + random.below(bound) } else { 0 }
        };
        self.repeat_per_mille = maybe(random, 700, 600);
        self.settle_per_mille = maybe(random, 600, 400);
        self.give_up_per_mille = maybe(random, 350, 300);
        self.twin_per_mille = maybe(random, 250, 500);
        self.client_disconnects = maybe(random, 250, 4);
        self.client_crashes = maybe(random, 200, 3);
        self.client_deaths = maybe(random, 120, 2);
    }

    fn draw_limits(&mut self, random: &mut Random) {
        if random.chance(200) {
            self.session_idle_ms = *random.pick(&[20_000, 70_000]);
            self.keep_ms = if random.chance(400) { self.session_idle_ms * 4 } else { 5_000 };
        }
        if random.chance(150) {
            self.waiting_max = random.below(4);
        }
        if random.chance(70) {
            self.undecided_max = 1 + random.below(4);
        }
        self.vote_age_ms = *random.pick(&[1, 10, 50, 100, 100]);
        self.sponsor_patience_ms = *random.pick(&[3, 20, 100, 100]);
        self.retry_ms = *random.pick(&[10, 40, 100, 100]);
        self.exchange_ms = *random.pick(&[100, 500, 2_000]);
        self.tells_max = *random.pick(&[0, 1, 4, 4]);
        self.settle_ms = *random.pick(&[200, 5_000, 60_000, 60_000]);
        if random.chance(400) {
            self.wall_skew_ms_max = *random.pick(&[5, 500, 120_000]);
        }
        if random.chance(300) {
            self.drift_ppm_max = *random.pick(&[100, 10_000, 100_000]);
        }
    }

    /// Nothing goes wrong, and much happens at the same time.
    fn draw_patient(&mut self, random: &mut Random) {
        let Options { seed, participants, .. } = *self;
        *self = Options {
            participants: participants.max(2),
            clients: 4,
            processes: 3,
            requests: 15,
            think_us_max: *random.pick(&[100, 1_000]),
            deadline_ms_max: 60_000,
            patience_ms_max: 60_000,
            delay_us_max: 100,
            sync_us_max: 50,
            ms_of_faults: 100,
            repeat_per_mille: 0,
            patient: 1,
            ..Options::calm(seed)
        };
    }

    /// Alone: no other fault that could add to it, but for what no one has to survive.
    fn draw_lasting(&mut self, random: &mut Random) {
        let kinds = [
            Lasting::CoordinatorDies,
            Lasting::ParticipantDies,
            Lasting::LinkCut,
            Lasting::LinkCut,
            Lasting::CutThenDies,
            Lasting::CutThenDies,
            Lasting::DiskHangs,
        ];
        self.lasting = *random.pick(&kinds);
        self.participants = self.participants.max(2);
        self.coordinators = self.coordinators.max(2);
        self.delay_us_max = self.delay_us_max.min(2_000);
        self.sync_us_max = self.sync_us_max.min(3_000);
        // Whose patience is shorter than a round trip takes a live sponsor for gone, which would be a fault more.
        self.sponsor_patience_ms = 100;
        self.duplicate_per_mille = if random.chance(300) { random.below(200) } else { 0 };
        self.reorder_per_mille = if random.chance(300) { random.below(500) } else { 0 };
        self.ms_of_faults = 100 + random.below(800);
        self.think_us_max = 2_000;
    }

    fn draw_network(&mut self, random: &mut Random) {
        let maybe = |random: &mut Random, chance, bound| {
            if random.chance(chance) { 1 + random.below(bound) } else { 0 }
        };
        let (late, doubled) = (*random.pick(&[40, 200]), *random.pick(&[50, 250, 600]));
        self.late_per_mille = maybe(random, 500, late);
        self.reorder_per_mille = maybe(random, 600, 1000).min(1000);
        self.loss_per_mille = maybe(random, 500, 150);
        self.duplicate_per_mille = maybe(random, 500, doubled);
        self.misdirect_per_mille = maybe(random, 150, 100);
        self.cuts = maybe(random, 400, 6);
        self.one_way_cuts = maybe(random, 250, 4);
        self.partitions = maybe(random, 250, 3);
        self.flaps = maybe(random, 200, 3);
        self.silent_per_mille = maybe(random, 300, 600);
    }

    /// Every node lives, and the network does its worst: most messages come twice and out of turn, many when the attempt that
    /// they answer has long been given up for another. Clients whose clocks are apart meet on few records, so that
    /// attempts are given up all the time: the older take locks away from the younger.
    fn draw_echoes(&mut self, random: &mut Random) {
        let Options { seed, coordinators, participants, .. } = *self;
        *self = Options {
            coordinators: coordinators.min(2),
            participants: participants.clamp(2, 3),
            clients: 4,
            processes: 2 + random.below(3),
            requests: 30,
            think_us_max: *random.pick(&[500, 5_000]),
            deadline_ms_max: 4_000,
            deadline_ms_min: 500,
            patience_ms_max: 1_500,
            ms_of_faults: 6_000,
            delay_us_max: *random.pick(&[500, 2_000, 2_000, 10_000]),
            late_per_mille: 50 + random.below(300),
            reorder_per_mille: 500 + random.below(500),
            duplicate_per_mille: 200 + random.below(700),
            repeat_per_mille: random.below(300),
            wall_skew_ms_max: *random.pick(&[500, 120_000, 120_000]),
            sync_us_max: *random.pick(&[50, 300, 3_000]),
            retry_ms: *random.pick(&[10, 40, 100]),
            ..Options::calm(seed)
        };
    }

    fn draw_nodes(&mut self, random: &mut Random) {
        let maybe = |random: &mut Random, chance, bound| {
            if random.chance(chance) { 1 + random.below(bound) } else { 0 }
        };
        self.crashes = maybe(random, 600, 8);
        self.crash_at_sync_per_mille = maybe(random, 250, 40);
        self.crash_at_send_per_mille = maybe(random, 250, 25);
        self.torn_per_mille = *random.pick(&[0, 500, 1000]);
        self.coordinator_deaths = maybe(random, 200, 2);
        self.full_disks = maybe(random, 250, 3);
        self.failed_syncs = maybe(random, 200, 3);
        self.slow_disks = maybe(random, 250, 3);
        self.pauses = maybe(random, 250, 4);
        self.wall_jumps = maybe(random, 150, 3);
    }
}
