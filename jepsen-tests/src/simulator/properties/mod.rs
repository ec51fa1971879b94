//! What must be true, one property to a file. Each sees everything that is asked, said, made durable and answered, and says
//! what is wrong. Checks draw no chance and change nothing.

mod agreement;
mod answers;
mod commit;
mod durable;
mod facts;
mod forgetting;
mod mail;
mod once;
mod sessions;

pub(crate) use facts::Facts;

use super::disk::Durable;
use crate::verdict::Finding;
use assent_protocol::{
    ids::{ClientName, NodeId, Peer, Subject},
    message::Message,
    operation::Operation,
    outcome::Answer,
};

/// A request as its client knows it.
pub(crate) struct Asked<'a> {
    /// What is asked for.
    pub(crate) subject: &'a Subject,
    /// It changes something.
    pub(crate) writes: bool,
    /// Its id stands for something else already, on purpose.
    pub(crate) twin: bool,
    /// What it does.
    pub(crate) operations: &'a [Operation],
}

/// A property. What is not implemented is of no interest to it.
pub(crate) trait Property: Send {
    /// One word or two, as `agreement`.
    fn name(&self) -> &'static str;

    /// A client begins a request, under this id for the first time.
    fn on_begun(&mut self, _asked: &Asked<'_>) -> Result<(), String> {
        Ok(())
    }

    /// A client takes a request for never executed.
    fn on_disowned(&mut self, _facts: &Facts, _subject: &Subject) -> Result<(), String> {
        Ok(())
    }

    /// A client asks.
    fn on_asked(&mut self, _facts: &Facts, _client: &ClientName, _message: &Message) -> Result<(), String> {
        Ok(())
    }

    /// A node says something: it leaves the node now.
    fn on_said(
        &mut self,
        _facts: &Facts,
        _from: NodeId,
        _to: Peer,
        _message: &Message,
    ) -> Result<(), String> {
        Ok(())
    }

    /// Something is durable now; the facts don't hold it yet.
    fn on_durable(&mut self, _facts: &Facts, _node: NodeId, _durable: &Durable) -> Result<(), String> {
        Ok(())
    }

    /// Everything has come to its end.
    fn on_end(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// A client hears an answer, for the first time or again.
    fn on_answer(&mut self, _facts: &Facts, _subject: &Subject, _answer: &Answer) -> Result<(), String> {
        Ok(())
    }
}

/// A property that does not hold, and in which way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Violation {
    pub(crate) property: String,
    /// What is told of it: something wrong, or only something late.
    pub(crate) finding: Finding,
    pub(crate) words: String,
}

impl Violation {
    pub(crate) fn new(property: &str, words: impl Into<String>) -> Self {
        Violation { property: property.into(), finding: Finding::Violated, words: words.into() }
    }

    /// Of a property that is about time: nothing is wrong, but something goes on for ever.
    pub(crate) fn undecided(property: &str, words: impl Into<String>) -> Self {
        Violation { finding: Finding::Undecided, ..Violation::new(property, words) }
    }
}

/// All properties and the facts under them.
pub(crate) struct Properties {
    pub(crate) facts: Facts,
    all: Vec<Box<dyn Property>>,
}

impl Properties {
    pub(crate) fn new() -> Self {
        let all: Vec<Box<dyn Property>> = vec![
            Box::<agreement::Agreement>::default(),
            Box::new(commit::Commit),
            Box::new(durable::DurableBeforeTold),
            Box::new(once::Once),
            Box::new(forgetting::Forgetting),
            Box::<answers::Answers>::default(),
            Box::<sessions::Sessions>::default(),
            Box::<mail::deliveries::Deliveries>::default(),
            Box::<mail::streams::Streams>::default(),
        ];
        Properties { facts: Facts::default(), all }
    }

    pub(crate) fn begun(&mut self, asked: &Asked<'_>) -> Result<(), Violation> {
        self.each(|property, _| property.on_begun(asked))
    }

    pub(crate) fn disowned(&mut self, subject: &Subject) -> Result<(), Violation> {
        self.each(|property, facts| property.on_disowned(facts, subject))
    }

    pub(crate) fn asked(&mut self, client: &ClientName, message: &Message) -> Result<(), Violation> {
        self.facts.note_asked(client, message);
        self.each(|property, facts| property.on_asked(facts, client, message))
    }

    pub(crate) fn said(&mut self, from: NodeId, to: Peer, message: &Message) -> Result<(), Violation> {
        self.each(|property, facts| property.on_said(facts, from, to, message))
    }

    pub(crate) fn durable(&mut self, node: NodeId, durable: &Durable) -> Result<(), Violation> {
        self.each(|property, facts| property.on_durable(facts, node, durable))?;
        self.facts.note(node, durable);
        Ok(())
    }

    pub(crate) fn answered(&mut self, subject: &Subject, answer: &Answer) -> Result<(), Violation> {
        self.each(|property, facts| property.on_answer(facts, subject, answer))
    }

    pub(crate) fn ended(&mut self) -> Result<(), Violation> {
        self.each(|property, _| property.on_end())
    }

    fn each(
        &mut self,
        check: impl Fn(&mut dyn Property, &Facts) -> Result<(), String>,
    ) -> Result<(), Violation> {
        for property in &mut self.all {
            check(property.as_mut(), &self.facts).map_err(|words| Violation::new(property.name(), words))?;
        }
        Ok(())
    }
}

/// The outcome that a message tells of, and of which subject. That an id is reused says nothing where it comes from a
/// participant that is not asked to vote on the subject.
pub(crate) fn outcome_in<'m>(
    facts: &Facts,
    from: NodeId,
    message: &'m Message,
) -> Option<(&'m Subject, bool)> {
    use assent_protocol::{
        message::{Held, SponsorAnswer},
        outcome::Outcome,
    };
    match message {
        Message::Tell { subject, outcome, .. }
        | Message::SponsorSays { subject, answer: SponsorAnswer::Decided(outcome), .. } => {
            Some((subject, *outcome == Outcome::Committed))
        }
        Message::Standing { subject, held: Held::Committed(_) } => Some((subject, true)),
        Message::Standing { subject, held: Held::Aborted(_) } => Some((subject, false)),
        Message::Standing { subject, held: Held::IdReused } => {
            facts.votes_on(from, subject).then_some((subject, false))
        }
        _ => None,
    }
}
