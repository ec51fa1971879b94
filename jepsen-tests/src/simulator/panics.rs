//! Machines assert what they rely on. One that stops itself is a finding like any other, told with its seed and its trace.

use super::properties::Violation;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The property that no machine stops itself.
const NAME: &str = "machines go on";

/// Runs it; a panic is a violation.
pub(super) fn caught(run: impl FnOnce() -> Result<(), Violation>) -> Result<(), Violation> {
    // Afterwards only what was counted and recorded is looked at.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Violation::new(NAME, format!("one stopped itself: {}", words.unwrap_or("without a word"))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_violation_with_its_words() {
        let violation = caught(|| panic!("{} is not durable", 7)).expect_err("it panicked");
        assert_eq!(violation.property, NAME);
        assert_eq!(violation.words, "one stopped itself: 7 is not durable");
        assert_eq!(caught(|| Ok(())), Ok(()));
    }
}
