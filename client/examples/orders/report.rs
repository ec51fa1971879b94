//! Draws the account.

use crate::account::Account;
use std::{collections::BTreeMap, fmt::Write};

/// Differences that are printed at most.
const SHOWN: usize = 20;

/// What happened meanwhile.
pub(crate) struct History {
    pub(crate) seconds: f64,
    /// From the last kill until it was quiet.
    pub(crate) calm_seconds: Option<f64>,
    pub(crate) kills: BTreeMap<&'static str, u64>,
    pub(crate) crashes: u64,
}

/// The state machine with the counts of its transitions, and the account of widgets and cents.
pub(crate) fn draw(account: &Account, history: &History) -> String {
    let mut text = machine(account);
    // Writing to a string does not fail.
    let _ = tell(&mut text, account, history);
    text
}

fn machine(account: &Account) -> String {
    let count = |from: &str, to: &str| {
        thousands(account.transitions.get(&(from.to_owned(), to.to_owned())).copied().unwrap_or(0) as i64)
    };
    let arrow = |from: &str, to: &str| format!("─{:─>7}──▶", format!(" {} ", count(from, to)));
    let down = |from: &str, to: &str| format!("{:>7}", count(from, to));
    format!(
        "
  accepted {a} reserved {b} charged {c} confirmed {d} shipped {e} done
     │                       │
     │{f}                │{g}
     ▼                       ▼
  sold out                declined
     │                       │
     │                       │{h}
     │                       ▼
     │                    released
     │                       │
     │{i}                │{j}
     ▼                       ▼
  ─────────── failed ────────────
",
        a = arrow("accepted", "reserved"),
        b = arrow("reserved", "charged"),
        c = arrow("charged", "confirmed"),
        d = arrow("confirmed", "shipped"),
        e = arrow("shipped", "done"),
        f = down("accepted", "sold out"),
        g = down("reserved", "declined"),
        h = down("declined", "released"),
        i = down("sold out", "failed"),
        j = down("released", "failed"),
    )
}

fn tell(text: &mut String, account: &Account, history: &History) -> std::fmt::Result {
    let state = |state: &str| account.states.get(state).copied().unwrap_or(0);
    let (done, failed) = (state("done"), state("failed"));
    let number = |count: u64| thousands(count as i64);
    writeln!(
        text,
        "\n  orders    {} = {} done + {} failed + {} elsewhere",
        number(account.orders),
        number(done),
        number(failed),
        number(account.orders.saturating_sub(done + failed))
    )?;
    let shelf = account.shelf;
    writeln!(
        text,
        "  widgets   {} in the beginning; now {} free + {} reserved + {} shipped = {}",
        thousands(account.initial),
        thousands(shelf.free),
        thousands(shelf.reserved),
        thousands(shelf.shipped),
        thousands(shelf.free + shelf.reserved + shelf.shipped)
    )?;
    writeln!(
        text,
        "  money     {} charged in {} charges, for goods of {}; {} cards declined",
        money(account.charged_cents),
        number(account.charges),
        money(account.shipped_cents),
        number(account.declines)
    )?;
    let kills: Vec<String> =
        history.kills.iter().map(|(kind, count)| format!("{kind} {}", number(*count))).collect();
    writeln!(
        text,
        "  killed    {} times: {}; the card service crashed {} times besides",
        number(history.kills.values().sum()),
        if kills.is_empty() { "nobody".to_owned() } else { kills.join(", ") },
        number(history.crashes)
    )?;
    match history.calm_seconds {
        Some(calm) => {
            writeln!(text, "  time      {:.1} s, quiet {calm:.1} s after the kills", history.seconds)?
        }
        None => writeln!(text, "  time      {:.1} s, and the kills had not ended", history.seconds)?,
    }
    if account.differences.is_empty() {
        return writeln!(text, "\n  Every widget and every cent is accounted for, and no order is stuck.");
    }
    writeln!(text, "\n  WRONG, {} times:", account.differences.len())?;
    for difference in account.differences.iter().take(SHOWN) {
        writeln!(text, "  - {difference}")?;
    }
    match account.differences.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => writeln!(text, "  - and {more} more"),
    }
}

fn money(cents: i64) -> String {
    format!("{}.{:02}", thousands(cents / 100), cents % 100)
}

/// With a comma at each thousand.
fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
