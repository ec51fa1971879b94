//! Histories survive the way to disk and back, in both forms, and what is wrong with a file is told with its place.

use assent_lab::history::{Event, History, HistoryError, Kind, Process, Recorder, Value, edn, ndjson};
use proptest::prelude::*;

fn keyword(word: &str) -> Value {
    Value::Keyword(word.into())
}

fn vector(values: impl IntoIterator<Item = Value>) -> Value {
    Value::Vector(values.into_iter().collect())
}

fn one_event(value: Value) -> History {
    let event = Event {
        index: 0,
        time_ns: 1000,
        process: Process::Client(0),
        kind: Kind::Invoke,
        f: "txn".into(),
        value,
        error: None,
        txn: None,
    };
    History { events: vec![event] }
}

fn to_edn(history: &History) -> String {
    let mut bytes = Vec::new();
    edn::write(history, &mut bytes).expect("it can be written");
    String::from_utf8(bytes).expect("EDN is UTF-8")
}

fn to_ndjson(history: &History) -> String {
    let mut bytes = Vec::new();
    ndjson::write(history, &mut bytes).expect("it can be written");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

/// Values of all kinds; keywords as EDN can hold them.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<String>().prop_map(Value::Text),
        "[:'=]{0,3}[a-z\"\\\\]{0,3}".prop_map(Value::Text),
        "[a-z][a-z0-9.*+!?_/-]{0,8}".prop_map(Value::Keyword),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Vector),
            prop::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

/// What clients and a nemesis do next, in a form that any recorder can take.
fn histories() -> impl Strategy<Value = History> {
    let step = (0..4_u64, 0..5_u8, values(), prop::option::of(any::<String>()), 0..3_u64);
    prop::collection::vec(step, 0..40).prop_map(|steps| {
        let mut recorder = Recorder::new(4);
        let mut processes = [0, 1, 2, 3];
        let mut open = [false; 4];
        let mut now_ns = 0;
        for (client, what, value, word, pause_ns) in steps {
            now_ns += pause_ns;
            let client = client as usize;
            let process = processes[client];
            match (what, open[client]) {
                (0, _) => recorder.nemesis(now_ns, "kill", value),
                (_, false) => {
                    recorder.invoke(now_ns, process, "txn", value, word);
                    open[client] = true;
                }
                (1 | 2, true) => {
                    recorder.ok(now_ns, process, value);
                    open[client] = false;
                }
                (3, true) => {
                    recorder.fail(now_ns, process, value, word);
                    open[client] = false;
                }
                (_, true) => {
                    processes[client] = recorder.info(now_ns, process, value, word);
                    open[client] = false;
                }
            }
        }
        recorder.finish()
    })
}

proptest! {
    #[test]
    fn any_history_comes_back_as_it_was(history in histories()) {
        history.check().expect("a recorder keeps the rules");
        let through_edn = edn::read(to_edn(&history).as_bytes()).expect("what was written can be read");
        prop_assert_eq!(&through_edn, &history);
        let through_ndjson = ndjson::read(to_ndjson(&history).as_bytes()).expect("what was written can be read");
        prop_assert_eq!(&through_ndjson, &history);
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "[{}\\[\\]()#:\"\\\\ a-z0-9,;=\n-]{0,60}") {
        let _ = edn::read(text.as_bytes());
        let _ = ndjson::read(text.as_bytes());
        let line = format!("{{:index 0, :time 0, :process 0, :type :invoke, :f :txn, :value {text}}}");
        let _ = edn::read(line.as_bytes());
    }
}

#[test]
fn list_append_has_the_shape_that_elle_reads() {
    let mut recorder = Recorder::new(1);
    let read = |seen| vector([keyword("r"), Value::Int(1), seen]);
    let append = vector([keyword("append"), Value::Int(2), Value::Int(7)]);
    recorder.invoke(1000, 0, "txn", vector([read(Value::Nil), append.clone()]), None);
    recorder.ok(2000, 0, vector([read(vector([Value::Int(3), Value::Int(5)])), append]));
    assert_eq!(
        to_edn(&recorder.finish()),
        "{:index 0, :time 1000, :process 0, :type :invoke, :f :txn, :value [[:r 1 nil] [:append 2 7]]}\n\
         {:index 1, :time 2000, :process 0, :type :ok, :f :txn, :value [[:r 1 [3 5]] [:append 2 7]]}\n"
    );
}

#[test]
fn rw_register_has_the_shape_that_elle_reads() {
    let mut recorder = Recorder::new(1);
    let write = vector([keyword("w"), Value::Int(2), Value::Int(7)]);
    let read = |seen| vector([keyword("r"), Value::Int(2), seen]);
    recorder.invoke(0, 0, "txn", vector([write.clone(), read(Value::Nil)]), Some("lab:1:4".into()));
    let next = recorder.info(5, 0, vector([write, read(Value::Nil)]), Some("deadline".into()));
    recorder.nemesis(6, "kill", vector([Value::Text("students".into())]));
    recorder.invoke(7, next, "txn", vector([read(Value::Nil)]), None);
    recorder.fail(9, next, vector([read(Value::Nil)]), None);
    assert_eq!(
        to_edn(&recorder.finish()),
        "{:index 0, :time 0, :process 0, :type :invoke, :f :txn, :value [[:w 2 7] [:r 2 nil]], :txn \"lab:1:4\"}\n\
         {:index 1, :time 5, :process 0, :type :info, :f :txn, :value [[:w 2 7] [:r 2 nil]], :error \"deadline\", :txn \"lab:1:4\"}\n\
         {:index 2, :time 6, :process :nemesis, :type :info, :f :kill, :value [\"students\"]}\n\
         {:index 3, :time 7, :process 1, :type :invoke, :f :txn, :value [[:r 2 nil]]}\n\
         {:index 4, :time 9, :process 1, :type :fail, :f :txn, :value [[:r 2 nil]]}\n"
    );
}

#[test]
fn registers_have_the_shape_that_knossos_reads() {
    let mut recorder = Recorder::new(2);
    let keyed = |value| vector([Value::Int(3), value]);
    recorder.invoke(0, 0, "write", keyed(Value::Int(1)), None);
    recorder.ok(1, 0, keyed(Value::Int(1)));
    recorder.invoke(2, 1, "cas", keyed(vector([Value::Int(1), Value::Int(2)])), None);
    recorder.ok(3, 1, keyed(vector([Value::Int(1), Value::Int(2)])));
    recorder.invoke(4, 0, "read", keyed(Value::Nil), None);
    recorder.ok(5, 0, keyed(Value::Int(2)));
    assert_eq!(
        to_edn(&recorder.finish()),
        "{:index 0, :time 0, :process 0, :type :invoke, :f :write, :value [3 1]}\n\
         {:index 1, :time 1, :process 0, :type :ok, :f :write, :value [3 1]}\n\
         {:index 2, :time 2, :process 1, :type :invoke, :f :cas, :value [3 [1 2]]}\n\
         {:index 3, :time 3, :process 1, :type :ok, :f :cas, :value [3 [1 2]]}\n\
         {:index 4, :time 4, :process 0, :type :invoke, :f :read, :value [3 nil]}\n\
         {:index 5, :time 5, :process 0, :type :ok, :f :read, :value [3 2]}\n"
    );
}

#[test]
fn json_is_readable() {
    let map = Value::Map(vec![
        (keyword("k"), Value::Int(1)),
        (Value::Int(7), Value::Nil),
        (Value::Text("=7".into()), Value::Text(":not a keyword".into())),
    ]);
    assert_eq!(
        to_ndjson(&one_event(map)),
        "{\"index\":0,\"time\":1000,\"process\":0,\"type\":\"invoke\",\"f\":\"txn\",\
         \"value\":{\":k\":1,\"=7\":null,\"'=7\":\"':not a keyword\"}}\n"
    );
}

#[test]
fn the_name_of_a_file_tells_its_form() {
    let history = one_event(vector([Value::Int(1)]));
    let folder = std::env::temp_dir().join(format!("assent-histories-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["history.edn", "history.ndjson"] {
        let path = folder.join(name);
        history.save(&path).expect("it can be written");
        assert_eq!(History::load(&path).expect("it can be read"), history);
    }
    assert!(matches!(History::load(&folder.join("history.txt")), Err(HistoryError::Name(_))));
    assert!(matches!(History::load(&folder.join("absent.edn")), Err(HistoryError::Io(_))));
    std::fs::remove_dir_all(&folder).expect("ours");
}

/// What a reader says of a text.
fn words<T>(outcome: Result<T, HistoryError>) -> String {
    match outcome {
        Ok(_) => "nothing is wrong".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_wrong_with_edn_is_told_with_its_place() {
    let begin = "{:index 0, :time 1000, :process 0, :type :invoke, :f :txn, :value []}";
    for (second, told) in [
        ("[1 2]", "line 2, column 1: an event begins with '{', but here is '['"),
        ("{:index 1}", "line 2, column 11: the event has no :time"),
        ("{:index -1}", "line 2, column 9: :index is a whole number from 0, not -1"),
        ("{:index 1.5}", "line 2, column 9: \"1.5\" is no whole number of 64 bits"),
        ("{:type :invoked}", "line 2, column 8: :type is one of :invoke :ok :fail :info, not :invoked"),
        ("{:value [1 2}", "line 2, column 13: here is '}'; a value is"),
        ("{:value \"x", "line 2, column 11: the line ends within a string"),
        ("{:value foo}", "line 2, column 9: here is \"foo\"; a value is"),
        ("{:value #inst \"2020\"}", "line 2, column 9: here is \"#inst\"; a value is"),
        ("{:value \"\\ud800x\"}", "line 2, column 16: this \\u is half of a pair"),
        (
            "{:index 0, :time 1000, :process 0, :type :ok, :f :txn}",
            "line 2 (index 0): the index must be above 0",
        ),
        (
            "{:index 1, :time 999, :process 0, :type :ok, :f :txn}",
            "line 2 (index 1): the time must not be below 1000",
        ),
        (
            "{:index 1, :time 1000, :process 0, :type :invoke, :f :txn}",
            "line 2 (index 1): process 0 begins an operation, but its operation of index 0 has not ended",
        ),
        (
            "{:index 1, :time 1000, :process 1, :type :ok, :f :txn}",
            "line 2 (index 1): process 1 ends an operation, but has none open",
        ),
        (
            "{:index 1, :time 1000, :process 0, :type :ok, :f :read}",
            "line 2 (index 1): process 0 ends :read, but began :txn",
        ),
        (
            "{:index 1, :time 1000, :process :nemesis, :type :ok, :f :kill}",
            "line 2 (index 1): a line of the nemesis has the type info",
        ),
        (
            "{:index 1, :time 1000, :process 0, :type :info, :f :txn}\n\
             {:index 2, :time 1000, :process 0, :type :invoke, :f :txn}",
            "line 3 (index 2): process 0 had an operation of unknown outcome at index 1",
        ),
    ] {
        let found = words(edn::read(format!("{begin}\n{second}\n").as_bytes()));
        assert!(found.starts_with(told), "{second}\n  says     {found}\n  expected {told}");
    }
    assert!(words(edn::read(&b"{:index 0 \xff}"[..])).starts_with("line 1, column 11: this is not UTF-8"));
}

#[test]
fn what_is_wrong_with_json_is_told_with_its_place() {
    for (text, told) in [
        ("\n{", "line 2, column 1: EOF while parsing an object"),
        ("{\"index\":\"x\"}", "line 1, column 12: invalid type: string \"x\", expected u64"),
        ("{\"index\":0}", "line 1, column 11: missing field `time`"),
        (
            "{\"index\":0,\"time\":0,\"process\":\"me\",\"type\":\"ok\",\"f\":\"txn\",\"value\":1}",
            "line 1, column 34: invalid value: string \"me\", expected the number of a process, or \"nemesis\"",
        ),
        (
            "{\"index\":0,\"time\":0,\"process\":0,\"type\":\"ok\",\"f\":\"txn\",\"value\":1.5}",
            "line 1, column 65: invalid type: floating point `1.5`",
        ),
    ] {
        let found = words(ndjson::read(text.as_bytes()));
        assert!(found.starts_with(told), "{text}\n  says     {found}\n  expected {told}");
    }
}

#[test]
fn values_too_deep_are_refused() {
    let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for (levels, fine) in [(100, true), (101, false), (100_000, false)] {
        let value = deep(levels);
        let line = format!("{{:index 0, :time 0, :process 0, :type :invoke, :f :txn, :value {value}}}");
        assert_eq!(edn::read(line.as_bytes()).is_ok(), fine, "EDN, {levels}");
        let line = format!(
            "{{\"index\":0,\"time\":0,\"process\":0,\"type\":\"invoke\",\"f\":\"txn\",\"value\":{value}}}"
        );
        assert_eq!(ndjson::read(line.as_bytes()).is_ok(), fine, "JSON, {levels}");
    }
}

#[test]
fn a_keyword_that_edn_cannot_hold_is_refused_when_writing() {
    let outcome = edn::write(&one_event(keyword("two words")), Vec::new());
    assert!(matches!(outcome, Err(HistoryError::Keyword { index: 0, .. })));
}

#[test]
fn comments_lists_sets_and_foreign_keys_are_read() {
    let text = "; a comment\n\n{:index 4, :time 9, :process 0, :type :invoke, :f :txn, :value (1 #{2}), :debug {:a 1}, \
                :error [:timeout \"x\"]} ; done\n";
    let history = edn::read(text.as_bytes()).expect("it can be read");
    assert_eq!(history.events[0].value, vector([Value::Int(1), vector([Value::Int(2)])]));
    assert_eq!(history.events[0].error.as_deref(), Some("[:timeout \"x\"]"));
}
