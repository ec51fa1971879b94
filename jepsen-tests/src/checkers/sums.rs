//! Whether a sum can be explained by changes of which some are certain and others may have happened or not.

/// Possible changes up to which every combination is looked at.
const EXACT_MAX: usize = 64;
/// The widest range of sums that is looked at.
const SPAN_MAX: i64 = 100_000;

/// What is known of a sum at one moment.
#[derive(Clone, Default, Debug)]
pub(super) struct Sum {
    /// The start, and everything that has happened for sure.
    pub(super) certain: i64,
    /// What may have happened.
    pub(super) possible: Vec<i64>,
}

impl Sum {
    /// The least that it can be.
    pub(super) fn least(&self) -> i64 {
        self.possible
            .iter()
            .filter(|change| **change < 0)
            .fold(self.certain, |sum, change| sum.saturating_add(*change))
    }

    /// The most that it can be.
    pub(super) fn most(&self) -> i64 {
        self.possible
            .iter()
            .filter(|change| **change > 0)
            .fold(self.certain, |sum, change| sum.saturating_add(*change))
    }

    /// Whether some choice of the possible changes gives this sum. Where there are very many, only whether it lies between
    /// the extremes: what is found to be wrong is wrong, always.
    pub(super) fn can_be(&self, sum: i64) -> bool {
        let (least, most) = (self.least(), self.most());
        if sum < least || sum > most {
            return false;
        }
        let width = most.saturating_sub(least);
        if self.possible.len() > EXACT_MAX || width > SPAN_MAX {
            return true;
        }
        // From the least, every change moves up by its size: a rise that is taken, or a fall that is not.
        let mut reached = vec![false; width as usize + 1];
        reached[0] = true;
        for change in &self.possible {
            let step = change.unsigned_abs() as usize;
            for at in (step..reached.len()).rev() {
                reached[at] |= reached[at - step];
            }
        }
        reached[(sum - least) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;

    #[test]
    fn a_sum_can_be_what_some_choice_gives() {
        let sum = Sum { certain: 10, possible: vec![5, -3, 5] };
        let can_be: Vec<i64> = (0..30).filter(|value| sum.can_be(*value)).collect();
        assert_eq!(can_be, [7, 10, 12, 15, 17, 20]);
    }

    #[test]
    fn a_sum_without_doubt_is_itself() {
        let sum = Sum { certain: 10, possible: vec![] };
        assert!(sum.can_be(10) && !sum.can_be(9) && !sum.can_be(11));
    }

    #[test]
    fn of_very_many_changes_the_extremes_count() {
        let sum = Sum { certain: 0, possible: vec![2; 1_000] };
        assert!(sum.can_be(1_000) && sum.can_be(2_000) && !sum.can_be(2_001) && !sum.can_be(-1));
    }
}
