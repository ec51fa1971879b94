//! The order processor: one function for each step. What a function returns is one transaction, {acknowledge the message,
//! change the state, send the next message}, and happens once, whatever is killed and whoever works on the same message.
//!
//! So there is nothing here about crashes: no table of messages seen, no half-done orders to look for at the start, no
//! outbox, no compensation but the one that the business wants. A step whose function fails, or is never heard of again,
//! begins anew. The one place that is reached by no transaction is the card service, in [`charge`].

use crate::{
    order::{Order, letters},
    payment,
};
use assent_client::{
    Client, FieldContent, Outcome, Transaction, Value,
    mail::{Delivery, Processor, ProcessorConfig},
};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// The steps that have workers, each with a mailbox of its name.
pub(crate) const STEPS: [&str; 5] = ["reserve", "charge", "confirm", "ship", "release"];

type Done = Result<Transaction, crate::Failure>;

/// What the steps need to know.
pub(crate) struct Shop {
    pub(crate) client: Client,
    /// Where the card service listens.
    pub(crate) card: PathBuf,
    /// How long it is waited for.
    pub(crate) patience: Duration,
    /// For whom wants to see it go wrong: charge with a new key at each try.
    pub(crate) without_keys: bool,
}

/// Puts the goods aside; or there are not enough.
async fn reserve(shop: Arc<Shop>, message: Delivery, transaction: Transaction) -> Done {
    let order = Order::from(&message)?;
    if shop.free(&order).await? < order.quantity {
        let sold_out = order.change(transaction, "accepted", "sold out");
        return Ok(sold_out.send(order.letter("sold out")));
    }
    // Another order may be faster between the look and this; then the bound refuses it, and the message comes again.
    Ok(order
        .change(transaction, "accepted", "reserved")
        .add(order.shelf(), "free", -order.quantity, 0..)
        .add(order.shelf(), "reserved", order.quantity, ..)
        .send(order.to("charge")))
}

/// Has the card charged, by somebody who takes part in no transaction. It is asked again with the same key until it
/// answers: the message's id never changes, and the card service does nothing twice under one key.
async fn charge(shop: Arc<Shop>, message: Delivery, transaction: Transaction) -> Done {
    let order = Order::from(&message)?;
    let mut key = message.id().to_string();
    if shop.without_keys {
        key = format!("{key} in delivery {}", message.attempt());
    }
    // No answer is an error: the mailbox gives the message out again, and nothing has changed here.
    Ok(match payment::charge(&shop.card, &key, &order, shop.patience).await? {
        payment::Answer::Charged => order
            .change(transaction, "reserved", "charged")
            .set(order.record(), "paid_cents", order.cents)
            .send(order.to("confirm")),
        payment::Answer::Declined => {
            order.change(transaction, "reserved", "declined").send(order.to("release"))
        }
    })
}

/// Tells the customer.
async fn confirm(_: Arc<Shop>, message: Delivery, transaction: Transaction) -> Done {
    let order = Order::from(&message)?;
    Ok(order
        .change(transaction, "charged", "confirmed")
        .send(order.letter("confirmed"))
        .send(order.to("ship")))
}

/// The warehouse: the goods leave.
async fn ship(_: Arc<Shop>, message: Delivery, transaction: Transaction) -> Done {
    let order = Order::from(&message)?;
    Ok(order
        .change(transaction, "confirmed", "shipped")
        .add(order.shelf(), "reserved", -order.quantity, 0..)
        .add(order.shelf(), "shipped", order.quantity, ..)
        .send(order.letter("parcel")))
}

/// The error path: the goods go back on the shelf.
async fn release(_: Arc<Shop>, message: Delivery, transaction: Transaction) -> Done {
    let order = Order::from(&message)?;
    Ok(order
        .change(transaction, "declined", "released")
        .add(order.shelf(), "reserved", -order.quantity, 0..)
        .add(order.shelf(), "free", order.quantity, ..)
        .send(order.letter("declined")))
}

/// The customer reads a letter. The parcel, or the apology, is the end of an order.
async fn read_letter(message: Delivery, transaction: Transaction) -> Done {
    let order = Order::from(&message)?;
    match message.header("about") {
        Some("confirmed") => Ok(transaction.add(order.record(), "confirmations", 1, ..)),
        Some("parcel") => Ok(order.change(transaction, "shipped", "done")),
        Some("sold out") => Ok(order.change(transaction, "sold out", "failed")),
        Some("declined") => Ok(order.change(transaction, "released", "failed")),
        other => Err(format!("a letter about {other:?}").into()),
    }
}

impl Shop {
    /// Widgets of the kind that are on the shelf.
    async fn free(&self, order: &Order) -> Result<i64, String> {
        let look = Transaction::new().read_field(order.shelf(), "free");
        match self.client.run_with_retries(look).await {
            Outcome::Committed(receipt) => match receipt.field(0) {
                Some(FieldContent::Value(Value::Int(free))) => Ok(*free),
                _ => Err(format!("there is no {}", order.shelf())),
            },
            Outcome::Aborted(abort) => Err(format!("could not look at {}: {abort}", order.shelf())),
            Outcome::Unknown(handle) => {
                Err(format!("could not look at {}: {}", order.shelf(), handle.doubt()))
            }
        }
    }
}

/// A worker for one step, until it is killed. Start as many as you like.
pub(crate) fn work(shop: Shop, step: &str) -> Result<Processor, crate::Failure> {
    let (client, shop) = (shop.client.clone(), Arc::new(shop));
    macro_rules! run {
        ($function:ident) => {
            Processor::start(&client, step, config(), move |message, transaction| {
                $function(Arc::clone(&shop), message, transaction)
            })?
        };
    }
    Ok(match step {
        "reserve" => run!(reserve),
        "charge" => run!(charge),
        "confirm" => run!(confirm),
        "ship" => run!(ship),
        "release" => run!(release),
        other => return Err(format!("there is no step {other:?}").into()),
    })
}

/// Reads a customer's letters.
pub(crate) fn read_letters(client: &Client, customer: &str) -> Result<Processor, crate::Failure> {
    Ok(Processor::start(client, letters(customer), config(), read_letter)?)
}

/// Short leases: workers die here all the time, and what they had is wanted soon.
fn config() -> ProcessorConfig {
    ProcessorConfig { lease: Duration::from_secs(3), ..ProcessorConfig::default() }
}
