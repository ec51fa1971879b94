//! What an attack alone writes into a run's folder, as [`crate::run`] describes it: the plan, and the figures of nodes.

use super::{
    environment::Environment,
    error::{AttackError, file},
    schedule::Schedule,
};
use serde::Serialize;
use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The plan, before anything happens.
pub(crate) fn schedule(folder: &Path, schedule: &Schedule) -> Result<(), AttackError> {
    json(&folder.join("schedule.json"), schedule)
}

/// The figures of every node that answers; their logs are in place already.
pub(crate) fn metrics(cluster: &Environment) -> Result<(), AttackError> {
    for node in cluster.nodes.iter().filter(|node| !node.is_gone()) {
        let path = cluster.layout.logs().join(format!("{}.metrics.txt", node.name()));
        let text = node.get("/metrics").unwrap_or_else(|why| format!("# no answer: {why}\n"));
        fs::write(&path, text).map_err(file("write", &path))?;
    }
    Ok(())
}

fn json(path: &Path, what: &impl Serialize) -> Result<(), AttackError> {
    let mut text = serde_json::to_string_pretty(what).map_err(|error| AttackError::File {
        what: "write",
        path: path.to_owned(),
        source: error.into(),
    })?;
    text.push('\n');
    fs::write(path, text).map_err(file("write", path))
}

/// A moment as in RFC 3339, in UTC, to the second.
pub(crate) fn date(moment: SystemTime) -> String {
    let seconds = moment.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that the leap day comes last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        let at = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_709_251_200), "2024-03-01T00:00:00Z");
        assert_eq!(at(1_795_190_700), "2026-11-20T16:05:00Z");
    }
}
