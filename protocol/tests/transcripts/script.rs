//! Reads the commands of a scenario and carries them out on the stage.

use crate::{
    mail,
    notation::{COORDINATORS_FROM, node, read_operation},
    stage::{Choice, Settings, Stage},
};
use assent_protocol::{
    digest::digest,
    ids::{ClientName, InvalidName, NodeId, Sequence, SessionId, Stamp, Subject, TxnId},
    message::{Begin, Branch, Intent, Message},
    operation::{Operation, Step},
};
use std::collections::BTreeMap;

/// Plays a scenario: its comments and commands as they are, and below each command what happens.
pub(crate) fn play(text: &str) -> Result<String, String> {
    let mut script = Script { stage: None, begun: BTreeMap::new() };
    let mut played = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("    ") {
            continue;
        }
        played.push_str(line.trim_end());
        played.push('\n');
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        for effect in script.command(line).map_err(|wrong| format!("{number}: {line}: {wrong}"))? {
            played.push_str(&format!("    {effect}\n"));
        }
    }
    Ok(played)
}

struct Script {
    stage: Option<Stage>,
    /// The last request under each id, to be repeated.
    begun: BTreeMap<TxnId, Begin>,
}

impl Script {
    fn command(&mut self, line: &str) -> Result<Vec<String>, String> {
        let (quiet, line) = match line.strip_prefix("quietly ") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        if verb == "cluster" {
            self.stage = Some(Stage::new(settings(rest)?));
            return Ok(Vec::new());
        }
        self.act(verb, rest)?;
        let lines = self.stage()?.take_lines();
        Ok(if quiet { Vec::new() } else { lines })
    }

    fn stage(&mut self) -> Result<&mut Stage, String> {
        self.stage
            .as_mut()
            .ok_or_else(|| "a scenario begins with: cluster coordinators=… participants=…".to_string())
    }

    fn act(&mut self, verb: &str, rest: &str) -> Result<(), String> {
        let words: Vec<&str> = rest.split_whitespace().collect();
        match (verb, &words[..]) {
            ("given", _) => {
                let operations = operations(rest)?;
                self.stage()?.given(operations)
            }
            ("begin", _) => self.begin(rest),
            ("repeat", [id, options @ ..]) => self.again(id, options, Intent::Repeat),
            ("settle", [id, options @ ..]) => self.again(id, options, Intent::Settle),
            ("open", [client, options @ ..]) => {
                self.say(client, &Options::read(options)?, Message::OpenSession { request: 1 })
            }
            ("close", [session, options @ ..]) => {
                let (client, session) = read_session(session)?;
                self.say(client, &Options::read(options)?, Message::CloseSession { session })
            }
            ("keep", [session, options @ ..]) => {
                let options = Options::read(options)?;
                let (client, session) = read_session(session)?;
                let watermark = Sequence(options.watermark);
                self.say(client, &options, Message::KeepSession { session, watermark })
            }
            ("deliver", [choice @ .., "together"]) => self.stage()?.deliver_together(&read_choice(choice)?),
            ("deliver", choice) => self.stage()?.deliver(&read_choice(choice)?),
            ("drop", choice) => self.stage()?.lose(&read_choice(choice)?),
            ("redeliver", [from, "->", to, words @ ..]) => {
                self.stage()?.redeliver(node(from)?, node(to)?, &words.join(" "))
            }
            ("sync", nodes) => nodes.iter().try_for_each(|name| self.stage()?.sync(node(name)?)),
            ("run", []) => self.stage()?.run(),
            ("wait", [time]) => self.stage()?.wait(milliseconds(time)?),
            ("crash", [name, "losing"]) => self.stage()?.crash(node(name)?, false),
            ("crash", [name, "keeping"]) => self.stage()?.crash(node(name)?, true),
            ("crash", [name]) => self.stage()?.crash(node(name)?, false),
            ("restart", [name]) => self.stage()?.restart(node(name)?),
            ("clock", [name, "ahead", time]) => {
                let (node, ms) = (node(name)?, milliseconds(time)?);
                self.stage()?.set_ahead(node, ms);
                Ok(())
            }
            ("down", [one, two]) => self.stage()?.down(node(one)?, node(two)?),
            ("up", [one, two]) => self.stage()?.up(node(one)?, node(two)?),
            ("disk", [name, "full"]) => self.stage()?.accepting(node(name)?, false),
            ("disk", [name, "free"]) => self.stage()?.accepting(node(name)?, true),
            (
                "receive" | "finish" | "release" | "extend" | "redrive" | "purge" | "discard",
                [client, mailbox, rest @ ..],
            ) => {
                let (mailbox, message) = mail::read_request(verb, mailbox, rest)?;
                let to = self.stage()?.directory().locate(mailbox.record());
                let client = ClientName::new(client).map_err(|wrong| format!("{wrong}"))?;
                self.stage()?.client(&client, to, message)
            }
            ("copy", [name]) => self.stage()?.copy_disk(node(name)?, false),
            ("put-back", [name]) => self.stage()?.copy_disk(node(name)?, true),
            ("show", nodes) => nodes.iter().try_for_each(|name| self.stage()?.show(node(name)?)),
            _ => Err("no such command".to_string()),
        }
    }

    fn begin(&mut self, rest: &str) -> Result<(), String> {
        let (head, tail) = split_options(rest);
        let [id, options @ ..] = &head[..] else { return Err("begin what?".to_string()) };
        let options = Options::read(options)?;
        let txn: TxnId = id.parse().map_err(|wrong| format!("{wrong}"))?;
        let mut by_node: BTreeMap<NodeId, Vec<Step>> = BTreeMap::new();
        let stage = self.stage()?;
        for (index, operation) in (0..).zip(operations(tail)?) {
            let owner = stage.directory().locate(operation.record());
            by_node.entry(owner).or_default().push(Step { index, operation });
        }
        let branches: Vec<Branch> =
            by_node.into_iter().map(|(participant, steps)| Branch { participant, steps }).collect();
        let begin = Begin {
            subject: Subject { txn: txn.clone(), digest: digest(&branches) },
            intent: Intent::First,
            stamp: Stamp(stage.wall().0 - options.age_ms * 1000),
            deadline_ms: options.deadline_ms,
            watermark: Sequence(options.watermark),
            branches,
        };
        self.begun.insert(txn.clone(), begin.clone());
        self.say(txn.client.as_str(), &options, Message::Begin(Box::new(begin)))
    }

    fn again(&mut self, id: &str, options: &[&str], intent: Intent) -> Result<(), String> {
        let options = Options::read(options)?;
        let txn: TxnId = id.parse().map_err(|wrong| format!("{wrong}"))?;
        let mut begin = self.begun.get(&txn).cloned().ok_or("this id was never begun")?;
        begin.intent = intent;
        begin.deadline_ms = options.deadline_ms;
        begin.watermark = Sequence(options.watermark);
        self.say(txn.client.as_str(), &options, Message::Begin(Box::new(begin)))
    }

    fn say(&mut self, client: &str, options: &Options, message: Message) -> Result<(), String> {
        let client = ClientName::new(client).map_err(|wrong| format!("{wrong}"))?;
        self.stage()?.client(&client, options.via, message)
    }
}

struct Options {
    via: NodeId,
    deadline_ms: u32,
    watermark: u64,
    age_ms: u64,
}

impl Options {
    fn read(words: &[&str]) -> Result<Options, String> {
        let mut options =
            Options { via: NodeId(COORDINATORS_FROM), deadline_ms: 1000, watermark: 0, age_ms: 0 };
        for word in words {
            match word.split_once('=') {
                Some(("via", name)) => options.via = node(name)?,
                Some(("deadline", time)) => {
                    options.deadline_ms =
                        milliseconds(time)?.try_into().map_err(|_| "too long".to_string())?;
                }
                Some(("watermark", number)) => options.watermark = read_number(number)?,
                Some(("age", time)) => options.age_ms = milliseconds(time)?,
                _ => return Err(format!("no such option: {word}")),
            }
        }
        Ok(options)
    }
}

/// The id and the options before the first operation, and the operations.
fn split_options(text: &str) -> (Vec<&str>, &str) {
    let mut head = Vec::new();
    let mut rest = text;
    while let Some((word, tail)) = rest.split_once(' ') {
        if !head.is_empty() && !word.contains('=') {
            break;
        }
        head.push(word);
        rest = tail;
    }
    (head, rest)
}

fn operations(text: &str) -> Result<Vec<Operation>, String> {
    text.split(';').map(read_operation).collect()
}

fn settings(text: &str) -> Result<Settings, String> {
    let mut settings = Settings { coordinators: 1, participants: 2, waiting_max: 4096, outbox_max: 1_000 };
    for word in text.split_whitespace() {
        match word.split_once('=') {
            Some(("coordinators", number)) => settings.coordinators = read_number(number)? as u16,
            Some(("participants", number)) => settings.participants = read_number(number)? as u16,
            Some(("waiting_max", number)) => settings.waiting_max = read_number(number)? as usize,
            Some(("outbox_max", number)) => settings.outbox_max = read_number(number)?,
            _ => return Err(format!("no such setting: {word}")),
        }
    }
    Ok(settings)
}

fn read_choice(words: &[&str]) -> Result<Choice, String> {
    match words {
        [] => Ok(Choice { link: None, verb: None }),
        [verb] => Ok(Choice { link: None, verb: Some((*verb).to_string()) }),
        [from, "->", to] => Ok(Choice { link: Some((node(from)?, node(to)?)), verb: None }),
        [from, "->", to, verb] => {
            Ok(Choice { link: Some((node(from)?, node(to)?)), verb: Some((*verb).to_string()) })
        }
        _ => Err("which messages? from -> to, and perhaps their kind".to_string()),
    }
}

fn read_session(text: &str) -> Result<(&str, SessionId), String> {
    let (client, session) = text.split_once(':').ok_or("a session is written client:number")?;
    Ok((client, session.parse().map_err(|wrong: InvalidName| wrong.to_string())?))
}

fn milliseconds(text: &str) -> Result<u64, String> {
    match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => read_number(number),
        (None, Some(number)) => Ok(read_number(number)? * 1000),
        (None, None) => Err(format!("{text:?} is no time, as 150ms")),
    }
}

fn read_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}
