//! What people see of a run. The page of a large run is left in the folder for temporary files of the build, to be
//! looked at.

mod synthetic;

use assent_lab::{
    history::{Event, History, Kind, Process, Value},
    report::render,
    run::{Fault, Run},
    verdict::{Anomaly, Finding, Table, Verdict},
};
use std::{collections::BTreeMap, path::Path};

/// All figures of a page, each read as XML.
fn figures(page: &str) -> Vec<String> {
    let mut figures = Vec::new();
    let mut rest = page;
    while let Some(from) = rest.find("<svg") {
        let to = from + rest[from..].find("</svg>").expect("a figure ends") + "</svg>".len();
        let text = &rest[from..to];
        let document = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{error} in {text}"));
        let root = document.root_element();
        assert_eq!(root.attribute("role"), Some("img"));
        let described = root.attribute("aria-labelledby").expect("a figure has a name");
        let (title, description) = described.split_once(' ').expect("a title and a description");
        assert!(page.contains(&format!("<h3 id=\"{title}\">")), "{title} is not a heading");
        let text_of =
            |id| document.descendants().find(|node| node.attribute("id") == Some(id)).and_then(|n| n.text());
        assert!(text_of(description).is_some_and(|text| text.len() > 10), "{description} says nothing");
        figures.push(text.to_owned());
        rest = &rest[to..];
    }
    figures
}

/// A run in which every text is `text`.
fn made_of(text: &str) -> (Run, History) {
    let texts = || vec![text.to_owned(), text.to_owned()];
    let anomaly = Anomaly { class: text.into(), words: text.into(), events: vec![0, 1] };
    let table = Table { title: text.into(), columns: texts(), rows: vec![texts()] };
    let fault = Fault { kind: text.into(), targets: texts(), from_ns: 0, to_ns: None, detail: text.into() };
    let verdict = Verdict {
        checker: text.into(),
        finding: Finding::Violated,
        summary: text.into(),
        anomalies: vec![anomaly],
        tables: vec![table],
    };
    let run = Run {
        instrument: text.into(),
        workload: text.into(),
        nemeses: texts(),
        seed: 1,
        options: BTreeMap::from([(text.to_owned(), text.to_owned())]),
        started: text.into(),
        seconds: 1.0,
        nodes: texts(),
        faults: vec![fault],
        verdicts: vec![verdict],
        replay: text.into(),
        notes: texts(),
    };
    let value = Value::Map(vec![(Value::Keyword(text.into()), Value::Text(text.into()))]);
    let event = |index, kind| Event {
        index,
        time_ns: index * 1_000_000_000,
        process: Process::Client(0),
        kind,
        f: text.into(),
        value: value.clone(),
        error: Some(text.into()),
        txn: Some(text.into()),
    };
    (run, History { events: vec![event(0, Kind::Invoke), event(1, Kind::Ok)] })
}

#[test]
fn no_text_becomes_markup() {
    let (run, history) =
        made_of("</title></svg></style><script>alert(1)</script><!-- ' \" onload=\"x\" & ]]>");
    let page = render(&run, &history);
    assert!(!page.contains("<script"), "an element got through");
    assert!(!page.contains("<!--"), "a comment got through");
    assert!(!page.contains("onload=\"x"), "an attribute got through");
    assert_eq!(page.matches("</style>").count(), 1);
    assert_eq!(page.matches("</title>").count() - page.matches("<title>").count(), 0);
    // It is there to be read all the same, in each of its places.
    assert!(page.matches("&lt;script&gt;alert(1)").count() > 20);
    assert_eq!(figures(&page).len(), 4);
}

#[test]
fn what_xml_forbids_is_made_visible() {
    let (run, history) = made_of("a\0b\u{1b}[31m\u{202e}\u{ffff}");
    let page = render(&run, &history);
    assert!(page.chars().all(|char| char == '\n' || char == '\t' || !char.is_control()));
    assert!(page.contains("a␀b␛[31m"));
    assert_eq!(figures(&page).len(), 4);
}

#[test]
fn a_large_run_is_shown_whole_in_a_small_file() {
    let history = synthetic::history(20_000);
    let invoked = history.events.iter().filter(|event| event.kind == Kind::Invoke).count();
    assert!(invoked > 15_000, "{invoked}");
    let run = synthetic::run(&history);
    let page = render(&run, &history);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.html");
    std::fs::write(&path, &page).expect("the folder is there");
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    // Timeline, throughput, latency, and one close-up for each anomaly.
    assert_eq!(figures(&page).len(), 5);
    for verdict in &run.verdicts {
        assert!(page.contains(&verdict.summary), "{}", verdict.summary);
    }
    for part in [
        "G-single",
        "lost append",
        "href=\"#A1\"",
        "id=\"A2\"",
        "Time to unblock",
        "Undecided after the faults",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(page.contains(&run.replay));
    assert!(page.contains(&run.notes[0]));
    assert!(page.contains("clock of the history (s)"));
}

#[test]
fn lines_of_an_anomaly_are_shown_with_those_around_them() {
    let history = synthetic::history(2_000);
    let run = synthetic::run(&history);
    let page = render(&run, &history);
    let own = run.verdicts[0].anomalies[0].events[0];
    let row = page.find(&format!("<tr class=\"own\"><td class=\"n\">{own}</td>"));
    assert!(row.is_some(), "line {own} is not marked as part of the anomaly");
    assert!(page.contains("<tr class=\"context\">"));
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let history = synthetic::history(500);
    let page = render(&synthetic::run(&history), &history);
    assert!(page.contains("default-src 'none'"));
    for from in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(from), "{from}");
    }
}

#[test]
fn a_small_run_tells_about_each_operation() {
    let history = synthetic::history(200);
    let page = render(&synthetic::run(&history), &history);
    let invoked = history.events.iter().filter(|event| event.kind == Kind::Invoke).count();
    let timeline = &figures(&page)[0];
    assert!(timeline.matches("<title>process ").count() >= invoked);
}

#[test]
fn a_run_without_operations_says_so() {
    let history = History::default();
    let full = synthetic::history(200);
    let mut run = synthetic::run(&full);
    run.verdicts.clear();
    let page = render(&run, &history);
    assert!(page.contains("The history holds no operation of a client."));
    assert!(page.contains("No checker has judged this run."));
    assert_eq!(figures(&page).len(), 0);
}

#[test]
fn a_history_that_breaks_the_rules_is_still_shown() {
    let event = |index, time_ns, process, kind| Event {
        index,
        time_ns,
        process,
        kind,
        f: "txn".into(),
        value: Value::Nil,
        error: None,
        txn: None,
    };
    let one = Process::Client(1);
    // A completion without invocation, two invocations at once, time that runs back, indexes that repeat.
    let events = vec![
        event(0, 9_000, one, Kind::Ok),
        event(1, u64::MAX, one, Kind::Invoke),
        event(1, 3_000, one, Kind::Invoke),
        event(2, 2_000, one, Kind::Fail),
        event(3, 4_000, Process::Nemesis, Kind::Info),
    ];
    let full = synthetic::history(200);
    let mut run = synthetic::run(&full);
    run.faults[0].to_ns = Some(0);
    run.verdicts[0].anomalies[0].events = vec![0, 1, 2, 77, u64::MAX];
    let page = render(&run, &History { events });
    assert!(figures(&page).len() >= 3);
}
