//! The page: its sections, in the order in which they are read.

use super::{
    cases::{self, Case},
    faults,
    figure::Time,
    latency,
    operations::{self, OUTCOMES, Operation},
    throughput, timeline, words,
};
use crate::{
    checkers::availability::{self, Bounds},
    history::History,
    run::Run,
    verdict::{Finding, Table, Verdict},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Nothing may be loaded and nothing may run: what a history holds can't do either.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The checker whose figures are shown where time is.
const AVAILABILITY: &str = "availability";

/// More rows of a table of a checker are not shown.
const ROWS_MAX: usize = 500;

pub(super) fn page(run: &Run, history: &History, operations: &[Operation]) -> Markup {
    let cases = cases::cases(&run.verdicts, operations);
    let time = Time::of(history, &run.faults);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (run.instrument) " " (run.workload) ", seed " (run.seed) ": " (word(overall(run))) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                main {
                    (head(run))
                    (verdicts(run, &cases))
                    (what_was_run(run, operations))
                    (what_happened(run, history, operations, &cases, &time))
                    (anomalies(run, history, &cases))
                    (tables(&run.verdicts))
                    (notes(&run.notes))
                }
            }
        }
    }
}

/// The worst finding. Nothing judged is nothing known.
fn overall(run: &Run) -> Finding {
    run.verdicts.iter().map(|verdict| verdict.finding).max().unwrap_or(Finding::Unknown)
}

fn word(finding: Finding) -> &'static str {
    match finding {
        Finding::Holds => "holds",
        Finding::Unknown => "unknown",
        Finding::Undecided => "undecided",
        Finding::Violated => "violated",
    }
}

/// A sign beside the word, so that no colour is needed to see it.
fn badge(finding: Finding) -> Markup {
    let sign = match finding {
        Finding::Holds => "✓",
        Finding::Unknown => "?",
        Finding::Undecided => "…",
        Finding::Violated => "✗",
    };
    html! { span class={ "badge " (word(finding)) } { span aria-hidden="true" { (sign) } " " (word(finding)) } }
}

fn head(run: &Run) -> Markup {
    let of = |finding| run.verdicts.iter().filter(|verdict| verdict.finding == finding).count();
    let (violated, unknown) = (of(Finding::Violated), of(Finding::Unknown));
    let sentence = match overall(run) {
        _ if run.verdicts.is_empty() => "No checker has judged this run.".to_owned(),
        Finding::Holds => {
            format!(
                "{} judged what the clients saw, and found nothing wrong.",
                words::count(of(Finding::Holds), "checker")
            )
        }
        Finding::Unknown => {
            format!("{} could not tell; nothing is known to be wrong.", words::count(unknown, "checker"))
        }
        Finding::Undecided => format!(
            "{} of {} found that something was not over in time; nothing is known to be wrong.",
            of(Finding::Undecided),
            words::count(run.verdicts.len(), "checker"),
        ),
        Finding::Violated => format!(
            "{} of {} found what must not happen.",
            violated,
            words::count(run.verdicts.len(), "checker"),
        ),
    };
    html! {
        header class=(word(overall(run))) {
            p class="muted" { "Assent lab · " (instrument(run)) }
            h1 { (run.workload) (under(&run.nemeses)) }
            p class="overall" { (badge(overall(run))) " " (sentence) }
        }
    }
}

/// The faults in the heading, as far as they are legible there.
fn under(nemeses: &[String]) -> String {
    match nemeses.len() {
        0 => String::new(),
        1..=4 => format!(" under {}", nemeses.join(", ")),
        many => format!(" under {many} kinds of faults"),
    }
}

fn instrument(run: &Run) -> &str {
    match run.instrument.as_str() {
        "simulate" => "simulation of a whole cluster in one thread",
        "attack" => "real processes under attack",
        other => other,
    }
}

fn verdicts(run: &Run, cases: &[Case]) -> Markup {
    html! {
        section {
            h2 { "Verdicts" }
            ul class="verdicts" {
                @for verdict in &run.verdicts {
                    li class=(word(verdict.finding)) {
                        (badge(verdict.finding))
                        div {
                            strong { (verdict.checker) }
                            p { (verdict.summary) }
                            @if !verdict.anomalies.is_empty() {
                                p { (words::count(verdict.anomalies.len(), "anomaly")) ": " (links(verdict, cases)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Where a verdict's anomalies are shown.
fn links(verdict: &Verdict, cases: &[Case]) -> Markup {
    html! {
        @for (number, case) in cases.iter().filter(|case| case.is_of(verdict)).enumerate() {
            @if number > 0 { ", " }
            a href={ "#" (case.id) } { (case.id) " " (case.class()) }
        }
    }
}

fn what_was_run(run: &Run, operations: &[Operation]) -> Markup {
    let simulated = run.instrument == "simulate";
    let none_or = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    html! {
        section {
            h2 { "What was run" }
            dl class="facts" {
                (fact("workload", &run.workload))
                (fact("faults allowed", &none_or(&run.nemeses)))
                (fact("faults made", &words::thousands(run.faults.len())))
                (fact("seed", &run.seed.to_string()))
                @if !run.started.is_empty() { (fact("began", &run.started)) }
                (fact("duration", &format!("{:.1} s{}", run.seconds, if simulated { " of simulated time" } else { "" })))
                (fact("nodes", &none_or(&run.nodes)))
                (fact("operations", &outcomes(operations)))
            }
            @if !run.options.is_empty() {
                h3 { "Options" }
                dl class="facts options" { @for (name, value) in &run.options { (fact(name, value)) } }
            }
            h3 { "How to replay" }
            pre class="command" { code { (run.replay) } }
            p class="muted" {
                @if simulated {
                    "The same seed and options give exactly the same run, event by event. "
                } @else {
                    "The seed repeats what clients ask for and which faults are made; how real machines interleave them is never the same twice. "
                }
                "Beside this file: " code { "history.ndjson" } " is what the clients saw, " code { "history.edn" }
                " the same for Jepsen's own checkers, " code { "run.json" } " this account."
            }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn outcomes(operations: &[Operation]) -> String {
    let of = |outcome| operations.iter().filter(|operation| operation.outcome == outcome).count();
    let parts =
        OUTCOMES.map(|outcome| format!("{} {}", words::thousands(of(outcome)), operations::name(outcome)));
    format!("{} ({})", words::thousands(operations.len()), parts.join(", "))
}

fn what_happened(
    run: &Run,
    history: &History,
    operations: &[Operation],
    cases: &[Case],
    time: &Time,
) -> Markup {
    html! {
        section {
            h2 { "What happened" }
            @if operations.is_empty() {
                p { "The history holds no operation of a client." }
                (faults::table(&run.faults))
            } @else {
                (timeline::figure(operations, &run.faults, cases, time))
                (faults::table(&run.faults))
                (throughput::figure(operations, &run.faults, time))
                (latency::figure(operations, &run.faults, time))
                (unblocking(run, history))
            }
        }
    }
}

/// How long clients waited for a success, at each fault. A run that nobody judged so far is measured here.
fn unblocking(run: &Run, history: &History) -> Markup {
    let judged = run.verdicts.iter().find(|verdict| verdict.checker == AVAILABILITY);
    let measured = judged.is_none().then(|| availability::check(history, &run.faults, &Bounds::default()));
    html! {
        @if let Some(verdict) = judged.or(measured.as_ref()) {
            h3 { "Time to unblock" }
            p { (verdict.summary) "." }
            @for table in &verdict.tables {
                h4 { (table.title) }
                (figures(table))
            }
        }
    }
}

fn anomalies(run: &Run, history: &History, cases: &[Case]) -> Markup {
    let found: usize = run.verdicts.iter().map(|verdict| verdict.anomalies.len()).sum();
    html! {
        @if found > 0 {
            section {
                h2 { "Anomalies" }
                @if found > cases.len() {
                    p class="muted" {
                        (words::thousands(found)) " were found; the clearest " (cases.len()) " are shown, all are in run.json."
                    }
                }
                @for case in cases { (case.section(history, &run.faults)) }
            }
        }
    }
}

fn tables(verdicts: &[Verdict]) -> Markup {
    let verdicts = || verdicts.iter().filter(|verdict| verdict.checker != AVAILABILITY);
    html! {
        @if verdicts().any(|verdict| !verdict.tables.is_empty()) {
            section {
                h2 { "Figures of the checkers" }
                @for verdict in verdicts() {
                    @for table in &verdict.tables {
                        h3 { (table.title) " " span class="muted" { (verdict.checker) } }
                        (figures(table))
                    }
                }
            }
        }
    }
}

fn figures(table: &Table) -> Markup {
    html! {
        div class="wide" { table {
            thead { tr { @for (at, column) in table.columns.iter().enumerate() { th class=[number_class(table, at)] { (column) } } } }
            tbody {
                @for row in table.rows.iter().take(ROWS_MAX) {
                    tr { @for (at, cell) in row.iter().enumerate() { td class=[number_class(table, at)] { (cell) } } }
                }
            }
        } }
        @if table.rows.len() > ROWS_MAX {
            p class="muted" { (words::count(table.rows.len() - ROWS_MAX, "more row")) " in run.json." }
        }
    }
}

/// What stands for a number that is not there.
fn is_word(cell: &str) -> bool {
    cell.is_empty() || ["never", "none", "to the end"].contains(&cell)
}

/// Columns of numbers stand at the right.
fn number_class(table: &Table, column: usize) -> Option<&'static str> {
    let begins_with_digit = |cell: &String| cell.starts_with(|char: char| char.is_ascii_digit());
    let cells = || table.rows.iter().filter_map(|row| row.get(column)).filter(|cell| !is_word(cell));
    (cells().next().is_some() && cells().all(begins_with_digit)).then_some("n")
}

fn notes(notes: &[String]) -> Markup {
    html! {
        @if !notes.is_empty() {
            section {
                h2 { "Notes" }
                ul { @for note in notes { li { (note) } } }
            }
        }
    }
}
