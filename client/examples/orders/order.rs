//! What is ordered: made up from a seed, so that everybody knows what must be there at the end.

use assent_client::{
    Transaction,
    mail::{Delivery, NewMessage},
};
use serde::{Deserialize, Serialize};

/// Kinds of widgets.
pub(crate) const KINDS: u64 = 8;
/// The shop has this share of what is ordered, in per cent: the last orders of some kinds find empty shelves.
const STOCK_PERCENT: i64 = 85;

/// One order, as messages carry it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Unique: the customer's name and a number.
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) widget: String,
    pub(crate) quantity: i64,
    pub(crate) cents: i64,
}

impl Order {
    /// The customer's `number`th order.
    pub(crate) fn of(customer: &str, number: u64, seed: u64) -> Order {
        let text = format!("{seed} {customer} {number}");
        // FNV-1a: a few bits that look like chance, the same in every process.
        let chance = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let kind = (chance >> 20) % KINDS;
        let quantity = 1 + ((chance >> 40) % 5) as i64;
        let price = 199 + 250 * kind as i64;
        Order {
            id: format!("{customer}-{number:05}"),
            customer: customer.to_owned(),
            widget: format!("widget-{kind}"),
            quantity,
            cents: price * quantity,
        }
    }

    /// Reads it from a message.
    pub(crate) fn from(message: &Delivery) -> Result<Order, serde_json::Error> {
        serde_json::from_slice(message.payload())
    }

    /// The record of this order.
    pub(crate) fn record(&self) -> String {
        format!("order/{}", self.id)
    }

    /// The record of the shelf where its widgets are.
    pub(crate) fn shelf(&self) -> String {
        format!("shelf/{}", self.widget)
    }

    /// A message that brings it to the next step.
    pub(crate) fn to(&self, step: &str) -> NewMessage {
        NewMessage::new(step, self.payload())
    }

    /// A letter to its customer. Letters about one order come in the order in which they were written: they have one key,
    /// and leave from one place.
    pub(crate) fn letter(&self, about: &str) -> NewMessage {
        let mailbox = letters(&self.customer);
        NewMessage::new(mailbox, self.payload()).header("about", about).key(&self.id).from(self.record())
    }

    /// The order changes its state; refused unless it is in the state that it is thought to be in. The record keeps all
    /// states that it went through.
    pub(crate) fn change(&self, transaction: Transaction, from: &str, to: &str) -> Transaction {
        transaction.require_equals(self.record(), "state", from).set(self.record(), "state", to).append(
            self.record(),
            "states",
            to,
        )
    }

    fn payload(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text and numbers can be written")
    }
}

/// The mailbox of a customer.
pub(crate) fn letters(customer: &str) -> String {
    format!("letters-{customer}")
}

/// Who orders, how often, and what the shop has in the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) orders: u64,
    pub(crate) customers: u64,
}

impl Plan {
    /// The names of the customers.
    pub(crate) fn customers(&self) -> impl Iterator<Item = String> + use<> {
        (1..=self.customers).map(|number| format!("customer-{number}"))
    }

    /// Orders of each customer.
    pub(crate) fn shares(&self) -> impl Iterator<Item = (String, u64)> + use<> {
        let (each, more) = (self.orders / self.customers, self.orders % self.customers);
        self.customers().zip(0..).map(move |(customer, index)| (customer, each + u64::from(index < more)))
    }

    /// All orders.
    pub(crate) fn all(&self) -> impl Iterator<Item = Order> + use<> {
        let seed = self.seed;
        self.shares().flat_map(move |(customer, share)| {
            (0..share).map(move |number| Order::of(&customer, number, seed))
        })
    }

    /// What is on each shelf in the beginning.
    pub(crate) fn stock(&self) -> Vec<(String, i64)> {
        let mut stock: Vec<_> = (0..KINDS).map(|kind| (format!("widget-{kind}"), 0)).collect();
        for order in self.all() {
            for (widget, pieces) in &mut stock {
                if *widget == order.widget {
                    *pieces += order.quantity;
                }
            }
        }
        stock.into_iter().map(|(widget, pieces)| (widget, pieces * STOCK_PERCENT / 100)).collect()
    }
}
