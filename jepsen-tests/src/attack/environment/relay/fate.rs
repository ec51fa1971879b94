//! What becomes of one packet. Pure, so that it can be tested without a clock.

use crate::{attack::environment::links::LinkState, random::Random};
use std::time::{Duration, Instant};

/// A slow link holds back so much and drops the rest, as a router does.
const BACKLOG_MAX: Duration = Duration::from_millis(500);
/// What is overtaken comes so much later, in milliseconds, at least and at most.
const OVERTAKEN_MS: (u64, u64) = (5, 30);
/// What comes twice comes again after so much, in milliseconds, at most.
const AGAIN_MS_MAX: u64 = 50;

/// When a packet arrives: never, once or twice.
pub(crate) type Arrivals = [Option<Instant>; 2];

/// Decides about a packet of so many bytes. `free_at` is when the link will have passed what it holds back.
pub(crate) fn decide(
    state: &LinkState,
    random: &mut Random,
    now: Instant,
    bytes: usize,
    free_at: &mut Instant,
) -> Arrivals {
    if state.cut || random.chance(state.loss_per_mille.into()) {
        return [None, None];
    }
    let mut at = now;
    if state.rate_kb_s > 0 {
        let begins = (*free_at).max(now);
        if begins - now > BACKLOG_MAX {
            return [None, None];
        }
        // A kilobyte a second is a byte a millisecond.
        at = begins + Duration::from_micros(bytes as u64 * 1000 / u64::from(state.rate_kb_s));
        *free_at = at;
    }
    at += Duration::from_millis(state.delay_ms.into());
    if state.jitter_ms > 0 {
        at += Duration::from_micros(random.below(u64::from(state.jitter_ms) * 1000));
    }
    if random.chance(state.reorder_per_mille.into()) {
        at += Duration::from_millis(OVERTAKEN_MS.0 + random.below(OVERTAKEN_MS.1 - OVERTAKEN_MS.0));
    }
    let again = random
        .chance(state.duplicate_per_mille.into())
        .then(|| at + Duration::from_millis(random.below(AGAIN_MS_MAX)));
    [Some(at), again]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(state: LinkState, packets: usize) -> Vec<Arrivals> {
        let (mut random, now) = (Random::new(7), Instant::now());
        let mut free_at = now;
        (0..packets).map(|_| decide(&state, &mut random, now, 1000, &mut free_at)).collect()
    }

    #[test]
    fn a_link_that_does_nothing_passes_everything_at_once() {
        let all = arrivals(LinkState::default(), 100);
        assert!(all.iter().all(|[first, again]| *first == all[0][0] && first.is_some() && again.is_none()));
    }

    #[test]
    fn a_cut_link_passes_nothing() {
        assert!(
            arrivals(LinkState { cut: true, ..LinkState::default() }, 9)
                .iter()
                .all(|all| *all == [None, None])
        );
    }

    #[test]
    fn loss_and_duplication_come_about_as_often_as_they_should() {
        let state = LinkState { loss_per_mille: 200, duplicate_per_mille: 300, ..LinkState::default() };
        let all = arrivals(state, 10_000);
        let lost = all.iter().filter(|[first, _]| first.is_none()).count();
        let twice = all.iter().filter(|[_, again]| again.is_some()).count();
        assert!((1_800..2_200).contains(&lost), "{lost}");
        assert!((2_200..2_600).contains(&twice), "{twice}");
    }

    #[test]
    fn a_slow_link_passes_its_rate_and_drops_what_it_can_not_hold() {
        // 100 packets of 1,000 bytes at 100 kB/s take a second; half a second of it is held.
        let all = arrivals(LinkState { rate_kb_s: 100, ..LinkState::default() }, 100);
        let passed: Vec<Instant> = all.iter().filter_map(|[first, _]| *first).collect();
        assert!((50..=52).contains(&passed.len()), "{}", passed.len());
        assert!(passed.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_millis(10)));
    }
}
