//! The account: what records, the card service's file and the customers' diaries say at the end, and whether it is right.
//!
//! Knows nothing of how orders are processed: it reads what participants hold, straight from them, and lines of files.

use crate::{
    customer,
    order::{Order, Plan},
};
use assent_client::{FieldContent, NodeReply, Nodes, QueryError, RecordContent, RecordId, Value};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
};

/// The three ways of an order, and no fourth.
pub(crate) const SHIPPED: [&str; 6] = ["accepted", "reserved", "charged", "confirmed", "shipped", "done"];
pub(crate) const DECLINED: [&str; 5] = ["accepted", "reserved", "declined", "released", "failed"];
pub(crate) const SOLD_OUT: [&str; 3] = ["accepted", "sold out", "failed"];

/// What the record of an order says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Found {
    state: String,
    states: Vec<String>,
    paid_cents: i64,
    confirmations: i64,
}

/// Pieces on one shelf.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) free: i64,
    pub(crate) reserved: i64,
    pub(crate) shipped: i64,
}

/// What is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    orders: BTreeMap<String, Found>,
    shelves: BTreeMap<String, Shelf>,
    /// What the card service decided: order, cents, whether charged.
    decisions: Vec<(String, i64, bool)>,
    /// What customers know to have placed.
    placed: BTreeSet<String>,
    waiting: u64,
    dead: u64,
    in_doubt: u64,
}

/// What follows from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// How often an order went from one state to another.
    pub(crate) transitions: BTreeMap<(String, String), u64>,
    pub(crate) orders: u64,
    /// Orders by the state where they are.
    pub(crate) states: BTreeMap<String, u64>,
    pub(crate) initial: i64,
    /// All shelves together.
    pub(crate) shelf: Shelf,
    pub(crate) charges: u64,
    pub(crate) charged_cents: i64,
    /// Cents of orders that were shipped.
    pub(crate) shipped_cents: i64,
    pub(crate) declines: u64,
    /// All that is wrong, in words.
    pub(crate) differences: Vec<String>,
}

impl Evidence {
    /// Reads everything. Nobody is at work any more.
    pub(crate) async fn read(dir: &Path, plan: &Plan) -> Result<Evidence, crate::Failure> {
        let nodes = Nodes::new(&crate::client_config(dir)?);
        let mut evidence = Evidence::default();
        for (record, content) in all(nodes.scan(Some("order")).await)? {
            evidence.orders.insert(name(&record), Found::read(&content));
        }
        for (record, content) in all(nodes.scan(Some("shelf")).await)? {
            let pieces = |field| integer(&content, field);
            let shelf =
                Shelf { free: pieces("free"), reserved: pieces("reserved"), shipped: pieces("shipped") };
            evidence.shelves.insert(name(&record), shelf);
        }
        for mailbox in all(nodes.mailboxes().await)? {
            evidence.waiting += mailbox.depth;
            evidence.dead += mailbox.dead;
        }
        for node in nodes.outboxes().await {
            evidence.waiting += node.reply?.messages;
        }
        evidence.in_doubt = all(nodes.in_doubt().await)?.len() as u64;
        nodes.close().await;
        for line in fs::read_to_string(crate::card_file(dir))?.lines() {
            let line: serde_json::Value = serde_json::from_str(line)?;
            let (reference, cents) = (line["reference"].as_str(), line["cents"].as_i64());
            let (Some(reference), Some(cents), Some(charged)) = (reference, cents, line["charged"].as_bool())
            else {
                return Err(format!("the card service's file has a strange line: {line}").into());
            };
            evidence.decisions.push((reference.to_owned(), cents, charged));
        }
        for customer in plan.customers() {
            evidence.placed.extend(customer::read_diary(&customer::diary(dir, &customer))?);
        }
        Ok(evidence)
    }
}

/// Compares it with what was planned.
pub(crate) fn check(evidence: &Evidence, plan: &Plan) -> Account {
    let mut account = Account { orders: evidence.orders.len() as u64, ..Account::default() };
    let mut decided: HashMap<&str, Vec<(i64, bool)>> = HashMap::new();
    for (reference, cents, charged) in &evidence.decisions {
        decided.entry(reference).or_default().push((*cents, *charged));
        if *charged {
            account.charges += 1;
            account.charged_cents += cents;
        } else {
            account.declines += 1;
        }
    }
    let planned: BTreeMap<String, Order> = plan.all().map(|order| (order.id.clone(), order)).collect();
    let mut shipped: BTreeMap<&str, i64> = BTreeMap::new();
    for (id, order) in &planned {
        if !evidence.placed.contains(id) {
            account.wrong(format!("{id} is not in its customer's diary"));
        }
        let Some(found) = evidence.orders.get(id) else {
            account.wrong(format!("{id} has no record"));
            continue;
        };
        account.order(order, found, decided.remove(id.as_str()).unwrap_or_default());
        if found.states == SHIPPED {
            *shipped.entry(&order.widget).or_default() += order.quantity;
            account.shipped_cents += order.cents;
        }
    }
    for id in evidence.orders.keys().filter(|id| !planned.contains_key(*id)) {
        account.wrong(format!("{id} was never ordered, and has a record"));
    }
    for reference in decided.keys() {
        account.wrong(format!("the card service was asked for {reference}, which was never ordered"));
    }
    for (widget, initial) in plan.stock() {
        let shelf = evidence.shelves.get(&widget).copied().unwrap_or_default();
        account.shelf(&widget, initial, shelf, shipped.get(widget.as_str()).copied().unwrap_or(0));
    }
    if account.charged_cents != account.shipped_cents {
        let (charged, shipped) = (account.charged_cents, account.shipped_cents);
        // First, since the report shows only so many.
        account.differences.insert(0, format!("{charged} cents were charged, for goods of {shipped} cents"));
    }
    for (what, count) in [
        ("messages wait", evidence.waiting),
        ("dead letters", evidence.dead),
        ("transactions in doubt", evidence.in_doubt),
    ] {
        if count > 0 {
            account.wrong(format!("{count} {what}"));
        }
    }
    account
}

impl Account {
    fn wrong(&mut self, difference: String) {
        self.differences.push(difference);
    }

    fn order(&mut self, order: &Order, found: &Found, decided: Vec<(i64, bool)>) {
        let id = &order.id;
        *self.states.entry(found.state.clone()).or_default() += 1;
        for pair in found.states.windows(2) {
            *self.transitions.entry((pair[0].clone(), pair[1].clone())).or_default() += 1;
        }
        if found.states.last() != Some(&found.state) {
            self.wrong(format!("{id} is {:?}, and went through {:?}", found.state, found.states));
        }
        let (charged, told): (&[bool], i64) = if found.states == SHIPPED {
            (&[true], 1)
        } else if found.states == DECLINED {
            (&[false], 0)
        } else if found.states == SOLD_OUT {
            (&[], 0)
        } else {
            self.wrong(format!("{id} is stuck, or went astray: {:?}", found.states));
            return;
        };
        if decided.iter().map(|(_, charged)| *charged).ne(charged.iter().copied()) {
            self.wrong(format!("{id} ended as {:?}; charged: {decided:?}", found.state));
        }
        if decided.iter().any(|(cents, _)| *cents != order.cents) {
            self.wrong(format!("{id} costs {} cents; charged: {decided:?}", order.cents));
        }
        let paid = if found.states == SHIPPED { order.cents } else { 0 };
        if found.paid_cents != paid {
            self.wrong(format!("the record of {id} says {} cents, and it must be {paid}", found.paid_cents));
        }
        if found.confirmations != told {
            self.wrong(format!("{id} was confirmed {} times, and it must be {told}", found.confirmations));
        }
    }

    fn shelf(&mut self, widget: &str, initial: i64, shelf: Shelf, shipped: i64) {
        self.initial += initial;
        self.shelf.free += shelf.free;
        self.shelf.reserved += shelf.reserved;
        self.shelf.shipped += shelf.shipped;
        if shelf.free + shelf.reserved + shelf.shipped != initial {
            self.wrong(format!("{widget}: there were {initial}, and now {shelf:?}"));
        }
        if shelf.reserved != 0 {
            self.wrong(format!("{widget}: {} are reserved for nobody", shelf.reserved));
        }
        if shelf.shipped != shipped {
            self.wrong(format!("{widget}: {} left the shelf, and orders got {shipped}", shelf.shipped));
        }
    }
}

impl Found {
    fn read(content: &RecordContent) -> Found {
        let text = |value: &Value| match value {
            Value::Text(text) => text.clone(),
            other => format!("{other:?}"),
        };
        let state = match field(content, "state") {
            Some(FieldContent::Value(value)) => text(value),
            _ => String::new(),
        };
        let states = match field(content, "states") {
            Some(FieldContent::List(states)) => states.iter().map(text).collect(),
            _ => Vec::new(),
        };
        let (paid_cents, confirmations) = (integer(content, "paid_cents"), integer(content, "confirmations"));
        Found { state, states, paid_cents, confirmations }
    }
}

fn all<T>(replies: Vec<NodeReply<Vec<T>>>) -> Result<Vec<T>, QueryError> {
    let mut all = Vec::new();
    for reply in replies {
        all.extend(reply.reply?);
    }
    Ok(all)
}

fn name(record: &RecordId) -> String {
    record.as_str().split_once('/').map_or("", |(_, name)| name).to_owned()
}

fn field<'a>(content: &'a RecordContent, name: &str) -> Option<&'a FieldContent> {
    content.fields.iter().find(|(field, _)| field.as_str() == name).map(|(_, content)| content)
}

fn integer(content: &RecordContent, name: &str) -> i64 {
    match field(content, name) {
        Some(FieldContent::Value(Value::Int(number))) => *number,
        _ => 0,
    }
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
