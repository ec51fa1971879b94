//! What a campaign came to, as Markdown.

use super::{End, Made, Settings};
use crate::{attack::runner::STOOD_STILL, checkers::availability::Figures, verdict::Finding};
use std::{collections::BTreeMap, fmt::Write};

/// Letters of a reason that are shown; the result of the attack has all.
const WHY_MAX: usize = 160;

/// The table of these attacks, under a line that says how they were made.
pub fn table(settings: &Settings, all: &[Made]) -> String {
    let mut text = String::new();
    let Settings { coordinators, participants, processes, pause_ms, deadline_ms, seed, round, .. } = settings;
    let _ = writeln!(
        text,
        "{} attacks on {coordinators} coordinators and {participants} participants; {processes} clients that rest {pause_ms} ms \
         between operations, which are unknown after {deadline_ms} ms; seeds from {seed} on, round {round}.\n",
        all.len(),
    );
    text.push_str(
        "| nemesis | workload | s | operations | ok | failed | unknown | faults | longest without a success (s) | unblocked \
         after, median (s) | at most (s) | verdict |\n",
    );
    text.push_str("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n");
    for made in all {
        let (figures, verdict) = match &made.end {
            End::Judged { finding, by, figures, notes: _ } => (cells(figures), verdict(*finding, by)),
            End::Stuck { why } => (nothing(), format!("undecided: {}", short(why))),
            End::NotMade { why } => (nothing(), format!("not made: {}", short(why))),
        };
        let planned = &made.planned;
        let (nemesis, workload, seconds) = (&planned.nemesis, &planned.workload, planned.seconds);
        let _ =
            writeln!(text, "| {nemesis} | {workload} | {seconds} | {} | {verdict} |", figures.join(" | "));
    }
    text + &notes(all)
}

/// What the attacks have noted, each thing once; that the machine was too busy is only counted.
fn notes(all: &[Made]) -> String {
    let (mut counts, mut stalls) = (BTreeMap::<&str, usize>::new(), 0);
    for made in all {
        let End::Judged { notes, .. } = &made.end else { continue };
        for note in notes {
            if note.starts_with(STOOD_STILL) {
                stalls += 1;
            } else {
                *counts.entry(note).or_default() += 1;
            }
        }
    }
    let mut text = String::new();
    for (note, count) in &counts {
        let _ = write!(text, "\n- in {count} of {}: {note}", all.len());
    }
    if stalls > 0 {
        let _ = write!(text, "\n- {STOOD_STILL} {stalls} times in all: the machine was busy");
    }
    if text.is_empty() { text } else { text + "\n" }
}

fn cells(figures: &Figures) -> [String; 8] {
    let Figures { ok, failed, unknown, silence_ns, unblocked_ns } = figures;
    // Never is later than any time.
    let mut sorted: Vec<u64> = unblocked_ns.iter().map(|at_ns| at_ns.unwrap_or(u64::MAX)).collect();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len().saturating_sub(1) / 2);
    [
        (ok + failed + unknown).to_string(),
        ok.to_string(),
        failed.to_string(),
        unknown.to_string(),
        unblocked_ns.len().to_string(),
        seconds(Some(silence_ns)),
        seconds(median),
        seconds(sorted.last()),
    ]
}

fn seconds(ns: Option<&u64>) -> String {
    match ns {
        None => "–".to_owned(),
        Some(&u64::MAX) => "never".to_owned(),
        Some(ns) => format!("{:.2}", *ns as f64 / 1e9),
    }
}

fn nothing() -> [String; 8] {
    std::array::from_fn(|_| "–".to_owned())
}

fn verdict(finding: Finding, by: &[String]) -> String {
    match finding {
        Finding::Holds => "holds".to_owned(),
        Finding::Unknown => format!("unknown: {}", by.join(", ")),
        Finding::Undecided => format!("undecided: {}", by.join(", ")),
        Finding::Violated => format!("**violated**: {}", by.join(", ")),
    }
}

/// One line, without what would end a cell.
fn short(why: &str) -> String {
    let line: String = why.chars().map(|c| if c.is_control() || c == '|' { ' ' } else { c }).collect();
    match line.char_indices().nth(WHY_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::campaign::plan;

    fn rows(ends: Vec<End>) -> Vec<String> {
        let settings = Settings::default();
        let made =
            |(planned, end): (_, End)| Made { planned, ended: String::new(), folder: "run".into(), end };
        let all: Vec<Made> = plan(&settings).into_iter().zip(ends).map(made).collect();
        let text = table(&settings, &all);
        let lines: Vec<String> = text.lines().skip(2).map(str::to_owned).collect();
        let cells = |line: &String| line.matches('|').count();
        assert!(lines.iter().all(|line| cells(line) == cells(&lines[0])), "{text}");
        lines[2..].to_vec()
    }

    #[test]
    fn an_attack_is_a_row_of_its_figures() {
        let second = 1_000_000_000;
        let figures = Figures {
            ok: 90,
            failed: 7,
            unknown: 3,
            silence_ns: 3 * second / 2,
            unblocked_ns: [1, 5, 2].map(|s| Some(s * second)).to_vec(),
        };
        let judged = |finding, by: &[&str], figures: &Figures| {
            let by = by.iter().map(|by| (*by).to_owned()).collect();
            End::Judged { finding, by, figures: figures.clone(), notes: Vec::new() }
        };
        let never = Figures { unblocked_ns: vec![None], ..figures.clone() };
        let calm = Figures { unblocked_ns: Vec::new(), ..figures.clone() };
        let rows = rows(vec![
            judged(Finding::Holds, &[], &figures),
            judged(Finding::Violated, &["bank", "nodes"], &never),
            judged(Finding::Undecided, &["nothing in doubt"], &calm),
        ]);
        assert_eq!(rows[0], "| kill | bank | 60 | 100 | 90 | 7 | 3 | 3 | 1.50 | 2.00 | 5.00 | holds |");
        assert!(rows[1].ends_with("| 1 | 1.50 | never | never | **violated**: bank, nodes |"), "{}", rows[1]);
        assert!(rows[2].ends_with("| 0 | 1.50 | – | – | undecided: nothing in doubt |"), "{}", rows[2]);
    }

    #[test]
    fn a_note_of_many_attacks_is_told_once_and_stalls_are_counted() {
        let still = |at| format!("{STOOD_STILL} for 1.0 s from {at} s on");
        let noted = |notes: Vec<String>| {
            let (finding, by, figures) = (Finding::Holds, Vec::new(), Figures::default());
            End::Judged { finding, by, figures, notes }
        };
        let ends =
            [vec!["on loopback".to_owned(), still(1), still(5)], vec!["on loopback".to_owned(), still(2)]];
        let settings = Settings::default();
        let made = |(planned, notes): (_, Vec<String>)| {
            let (ended, folder) = (String::new(), "run".into());
            Made { planned, ended, folder, end: noted(notes) }
        };
        let all: Vec<Made> = plan(&settings).into_iter().zip(ends).map(made).collect();
        let text = table(&settings, &all);
        let told =
            format!("\n- in 2 of 2: on loopback\n- {STOOD_STILL} 3 times in all: the machine was busy\n");
        assert!(text.ends_with(&told), "{text}");
    }

    #[test]
    fn whatever_a_reason_says_its_row_stays_one() {
        let why = format!("a node|said\n{}", "ä".repeat(500));
        let rows = rows(vec![End::NotMade { why: why.clone() }, End::Stuck { why }]);
        assert!(rows[0].contains("not made: a node said ää") && rows[0].ends_with("… |"), "{}", rows[0]);
        assert!(rows[1].contains("undecided: a node said"));
    }
}
