//! The checkers that know what records mean, on histories written by hand: each kind of violation is planted and must be
//! found under its name, and the histories around it, which only look alike, must hold.

#[path = "semantics/availability.rs"]
mod availability;
#[path = "semantics/bank.rs"]
mod bank;
#[path = "semantics/exactly_once.rs"]
mod exactly_once;
#[path = "semantics/messages.rs"]
mod messages;
#[path = "semantics/registrar.rs"]
mod registrar;
#[path = "semantics/written.rs"]
mod written;
