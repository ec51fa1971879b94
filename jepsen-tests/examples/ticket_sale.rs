//! A ticket sale under attack: how somebody's own service is put under the lab.
//!
//! ```sh
//! cargo run --release -p assent-lab --example ticket_sale                      # simulated clusters, within seconds
//! cargo run --release -p assent-lab --example ticket_sale -- attack runs/sale  # real processes, 20 s
//! ```
//!
//! The service sells tickets for shows. A show has [`SEATS`] seats, a ticket costs [`PRICE`], and what is taken is in a till
//! that lies on another participant. It is written three times: as it should be, and with two mistakes that pass every test
//! in which one customer is served at a time and every answer arrives. `docs/lab-library.md` goes through it step by step.

use assent_lab::{
    attack::{AttackOptions, Kind as Nemesis, attack},
    history::{History, Operation as Asked, Outcome, Value},
    random::Random,
    simulator::{self, Options, Sweep},
    verdict::{Anomaly, Finding, Verdict},
    workload::{Completion, Invocation, Workload},
};
use assent_protocol::{
    ids::{FieldName, Member, RecordId},
    operation::{FieldContent, Operation, ReadResult, Selection, Value as Stored},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    path::Path,
    time::Duration,
};

const SEATS: u64 = 3;
const PRICE: i64 = 30;
/// A new show begins after so many orders: more than it has seats.
const ORDERS_PER_SHOW: i64 = 8;
/// Shows that are read at once in the end.
const SHOWS_READ: usize = 20;

/// How the service is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Service {
    /// A ticket and its price are one transaction, which has the bound; an order of unknown outcome is left alone.
    Sound,
    /// It counts the tickets first and sells one in the next transaction, if there is room, without a bound.
    CountsFirst,
    /// It takes an unknown outcome for a refusal, and orders a further ticket for the same customer.
    OrdersAgain,
}

/// What a customer wants.
#[derive(Clone, Copy, Debug)]
struct Order {
    number: i64,
    show: i64,
}

/// The workload: the box offices of the service, one for each process.
struct TicketSale {
    service: Service,
    orders: i64,
    tickets: i64,
    /// Of [`Service::CountsFirst`]: there was room for this order of a process.
    counted: BTreeMap<u64, Order>,
    /// Of [`Service::OrdersAgain`].
    again: Vec<Order>,
}

impl TicketSale {
    fn new(service: Service) -> TicketSale {
        TicketSale { service, orders: 0, tickets: 0, counted: BTreeMap::new(), again: Vec::new() }
    }

    /// A ticket for an order, and its price into the till: in one transaction, over two participants.
    fn buy(&mut self, order: Order) -> Invocation {
        self.tickets += 1;
        let insert = Operation::Insert {
            record: record("show", order.show),
            field: field("sold"),
            member: Member::new(&self.tickets.to_string()).expect("a number is a member"),
            max: (self.service != Service::CountsFirst).then_some(SEATS),
        };
        let pay = Operation::Add {
            record: record("till", order.show),
            field: field("taken"),
            delta: PRICE,
            min: None,
            max: None,
        };
        let value = [("show", order.show), ("order", order.number), ("ticket", self.tickets)];
        Invocation::new("buy", map(value.map(|(key, number)| (key, Value::Int(number)))), vec![insert, pay])
    }

    fn count(order: Order) -> Invocation {
        let what = Selection::Count(field("sold"));
        let value = [("show", order.show), ("order", order.number)];
        let operations = vec![Operation::Read { record: record("show", order.show), what }];
        Invocation::new("count", map(value.map(|(key, number)| (key, Value::Int(number)))), operations)
    }

    /// Tickets and tills of some shows, at one moment.
    fn look(shows: impl Iterator<Item = i64>) -> Invocation {
        let (mut asked, mut operations) = (Vec::new(), Vec::new());
        for show in shows {
            asked.push(Value::Int(show));
            for (table, name) in [("show", "sold"), ("till", "taken")] {
                let what = Selection::Field(field(name));
                operations.push(Operation::Read { record: record(table, show), what });
            }
        }
        Invocation::new("look", Value::Vector(asked), operations)
    }

    fn show_now(&self) -> i64 {
        self.orders / ORDERS_PER_SHOW
    }
}

impl Workload for TicketSale {
    fn name(&self) -> &'static str {
        "ticket_sale"
    }

    fn first(&mut self) -> Vec<Invocation> {
        Vec::new()
    }

    fn next(&mut self, process: u64, random: &mut Random) -> Option<Invocation> {
        if let Some(order) = self.counted.remove(&process).or_else(|| self.again.pop()) {
            return Some(self.buy(order));
        }
        if random.chance(200) {
            return Some(TicketSale::look(std::iter::once(self.show_now())));
        }
        self.orders += 1;
        let order = Order { number: self.orders, show: self.show_now() };
        Some(if self.service == Service::CountsFirst { TicketSale::count(order) } else { self.buy(order) })
    }

    fn ended(&mut self, process: u64, invocation: &Invocation, completion: &Completion) -> Value {
        let asked = invocation.value.clone();
        match (invocation.f.as_str(), completion) {
            ("count", Completion::Committed(reads)) => {
                if let (Some(ReadResult::Count(sold)), Some(order)) = (reads.first(), ordered(&asked))
                    && *sold < SEATS
                {
                    self.counted.insert(process, order);
                }
                asked
            }
            // The planted mistake: nobody has said that nothing was sold.
            ("buy", Completion::Unknown) if self.service == Service::OrdersAgain => {
                self.again.extend(ordered(&asked));
                asked
            }
            ("look", Completion::Committed(reads)) => seen(&asked, reads),
            (_, Completion::Committed(_) | Completion::Aborted(_) | Completion::Unknown) => asked,
        }
    }

    fn last(&mut self) -> Vec<Invocation> {
        let shows: Vec<i64> = (0..=self.show_now()).collect();
        shows.chunks(SHOWS_READ).map(|shows| TicketSale::look(shows.iter().copied())).collect()
    }

    fn check(&self, history: &History) -> Vec<Verdict> {
        vec![check(history)]
    }
}

/// What must be true, whoever serves the customers. It reads the history and nothing else.
fn check(history: &History) -> Verdict {
    let mut anomalies = Vec::new();
    let mut wrong = |class: &str, words: String, events: Vec<u64>| {
        anomalies.push(Anomaly { class: class.to_owned(), words, events });
    };
    // Each look by itself: a show and its till are seen at one moment.
    let operations = history.operations();
    let looks = operations.iter().filter(|one| one.invocation.f == "look" && one.outcome() == Outcome::Ok);
    let mut seen_last: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for look in looks.clone() {
        for (show, sold, taken) in shows(look.value()) {
            let lines = || look.indexes().collect();
            if sold.len() as u64 > SEATS {
                wrong(
                    "oversold",
                    format!("show {show} has {SEATS} seats, and tickets {sold:?} are sold"),
                    lines(),
                );
            }
            if taken != PRICE * sold.len() as i64 {
                let words = format!("show {show} has sold {sold:?}, and {taken} is in its till");
                wrong("till differs", words, lines());
            }
            seen_last.insert(show, sold);
        }
    }
    // What became of each ticket, by the last look at its show.
    let mut sold_for: BTreeMap<i64, Vec<&Asked<'_>>> = BTreeMap::new();
    let buys = operations.iter().filter(|one| one.invocation.f == "buy");
    for buy in buys.clone() {
        let (Some(order), Some(ticket)) = (ordered(buy.value()), number(buy.value(), "ticket")) else {
            continue;
        };
        let Some(sold) = seen_last.get(&order.show) else { continue };
        let lines = || buy.indexes().collect();
        match (buy.outcome(), sold.contains(&ticket)) {
            (Outcome::Ok, false) => {
                wrong("lost ticket", format!("ticket {ticket} is paid and gone"), lines())
            }
            (Outcome::Fail, true) => {
                wrong("phantom ticket", format!("ticket {ticket} was refused and is sold"), lines())
            }
            (Outcome::Ok | Outcome::Unknown, true) => sold_for.entry(order.number).or_default().push(buy),
            (Outcome::Fail | Outcome::Unknown, false) => {}
        }
    }
    for (order, buys) in sold_for.iter().filter(|(_, buys)| buys.len() > 1) {
        let words = format!("order {order} was for one ticket, and has paid {} of them", buys.len());
        wrong("sold twice", words, buys.iter().flat_map(|buy| buy.indexes()).collect());
    }
    let finding = match (anomalies.is_empty(), looks.count()) {
        (false, _) => Finding::Violated,
        (true, 0) => Finding::Unknown,
        (true, _) => Finding::Holds,
    };
    let summary = format!("{} orders of tickets for {} shows", buys.count(), seen_last.len());
    Verdict { checker: "ticket_sale".to_owned(), finding, summary, anomalies, tables: Vec::new() }
}

/// What a look saw, as the history keeps it: `[[show [ticket …] taken] …]`.
fn seen(asked: &Value, reads: &[ReadResult]) -> Value {
    let Value::Vector(shows) = asked else { return asked.clone() };
    let told = shows.iter().zip(reads.chunks(2)).map(|(show, reads)| {
        let sold = match reads.first() {
            Some(ReadResult::Field(Some(FieldContent::Set(members)))) => {
                members.iter().filter_map(|member| member.as_str().parse().ok()).map(Value::Int).collect()
            }
            _ => Vec::new(),
        };
        let taken = match reads.get(1) {
            Some(ReadResult::Field(Some(FieldContent::Value(Stored::Int(taken))))) => *taken,
            _ => 0,
        };
        Value::Vector(vec![show.clone(), Value::Vector(sold), Value::Int(taken)])
    });
    Value::Vector(told.collect())
}

/// The reverse: each show with the tickets sold and what is in its till.
fn shows(told: &Value) -> Vec<(i64, BTreeSet<i64>, i64)> {
    let integers = |values: &[Value]| values.iter().filter_map(integer).collect();
    let show = |told: &Value| match told {
        Value::Vector(parts) => match &parts[..] {
            [Value::Int(show), Value::Vector(sold), Value::Int(taken)] => {
                Some((*show, integers(sold), *taken))
            }
            _ => None,
        },
        _ => None,
    };
    if let Value::Vector(all) = told { all.iter().filter_map(show).collect() } else { Vec::new() }
}

fn ordered(value: &Value) -> Option<Order> {
    Some(Order { number: number(value, "order")?, show: number(value, "show")? })
}

fn number(value: &Value, key: &str) -> Option<i64> {
    let Value::Map(pairs) = value else { return None };
    let word = Value::Keyword(key.to_owned());
    pairs.iter().find(|(name, _)| *name == word).and_then(|(_, value)| integer(value))
}

fn integer(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value { Some(*number) } else { None }
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().map(|(key, value)| (Value::Keyword(key.to_owned()), value)).collect())
}

fn record(table: &str, number: i64) -> RecordId {
    RecordId::new(&format!("{table}/{number}")).expect("a table and a number make a record")
}

fn field(name: &str) -> FieldName {
    FieldName::new(name).expect("a word is a field")
}

/// Simulated clusters, every fault, one seed each; the failure of the lowest seed that fails, made smaller.
fn simulate(service: Service, seeds: u64) -> Option<simulator::Failure> {
    let make = |_: u64| -> Box<dyn Workload> { Box::new(TicketSale::new(service)) };
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let sweep = Sweep { seeds: 0..seeds, threads, options: &Options::drawn, workload: &make };
    sweep.run(&|_| {}).failure.map(|failure| simulator::shrink(failure, &make))
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [command, folder] = &args[..]
        && command == "attack"
    {
        let mut options = AttackOptions::new(folder, 17);
        options.nemeses = Nemesis::list("kill,stop")?;
        options.duration = Duration::from_secs(20);
        for verdict in attack(&options, Box::new(TicketSale::new(Service::Sound)))?.verdicts {
            println!("{:?}  {}: {}", verdict.finding, verdict.checker, verdict.summary);
        }
        println!("report: {folder}/report.html");
        return Ok(());
    }
    for service in [Service::Sound, Service::CountsFirst, Service::OrdersAgain] {
        let Some(failure) = simulate(service, 500) else {
            println!("{service:?}: holds in 500 simulated clusters");
            continue;
        };
        println!("{service:?}: seed {} finds {}: {}", failure.seed, failure.property, failure.words);
        let (run, history) = simulator::account(&failure.options, Box::new(TicketSale::new(service)));
        let folder = format!("runs/{service:?}");
        run.save(Path::new(&folder), &history)?;
        println!("  {} operations are left of it: {folder}/report.html", history.operations().len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found of a service that is written wrongly, once its run has been made small.
    fn found(service: Service) -> (Verdict, History) {
        let failure = simulate(service, 500).expect("the mistake shows");
        let (run, history) = simulator::account(&failure.options, Box::new(TicketSale::new(service)));
        let verdict = run.verdicts.into_iter().find(|verdict| verdict.checker == "ticket_sale");
        (verdict.expect("the run came to its end"), history)
    }

    #[test]
    fn the_sound_service_holds() {
        let failure = simulate(Service::Sound, 300);
        assert!(failure.is_none(), "{}", failure.expect("it is there"));
    }

    #[test]
    fn counting_before_selling_sells_too_many() {
        let (verdict, history) = found(Service::CountsFirst);
        assert_eq!((verdict.finding, verdict.anomalies[0].class.as_str()), (Finding::Violated, "oversold"));
        assert!(
            history.operations().len() < 60,
            "{} operations are many to read",
            history.operations().len()
        );
    }

    #[test]
    fn ordering_again_after_an_unknown_outcome_sells_twice() {
        let (verdict, history) = found(Service::OrdersAgain);
        assert_eq!((verdict.finding, verdict.anomalies[0].class.as_str()), (Finding::Violated, "sold twice"));
        let shown = &verdict.anomalies[0].events;
        let unknown = history.operations().into_iter().any(|one| {
            one.outcome() == Outcome::Unknown && one.indexes().any(|index| shown.contains(&index))
        });
        assert!(unknown, "one of the tickets is that of the unknown outcome");
    }
}
