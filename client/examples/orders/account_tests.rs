//! A right account is right, and each thing that can go wrong is found.

use super::*;

const PLAN: Plan = Plan { seed: 1, orders: 40, customers: 2 };

/// What a run of nothing but good luck leaves, with one order declined and one sold out.
fn right() -> Evidence {
    let mut evidence = Evidence::default();
    for (widget, free) in PLAN.stock() {
        evidence.shelves.insert(widget, Shelf { free, ..Shelf::default() });
    }
    for (number, order) in PLAN.all().enumerate() {
        let shelf = evidence.shelves.get_mut(&order.widget).expect("on a shelf");
        let way: &[&str] = match number {
            0 => &DECLINED,
            1 => &SOLD_OUT,
            _ if shelf.free < order.quantity => &SOLD_OUT,
            _ => &SHIPPED,
        };
        let done = way == SHIPPED;
        if done {
            shelf.free -= order.quantity;
            shelf.shipped += order.quantity;
        }
        if way != SOLD_OUT {
            evidence.decisions.push((order.id.clone(), order.cents, done));
        }
        let found = Found {
            state: way[way.len() - 1].to_owned(),
            states: way.iter().map(|state| (*state).to_owned()).collect(),
            paid_cents: if done { order.cents } else { 0 },
            confirmations: done.into(),
        };
        evidence.placed.insert(order.id.clone());
        evidence.orders.insert(order.id, found);
    }
    evidence
}

#[test]
fn a_right_account_has_no_differences() {
    let account = check(&right(), &PLAN);
    assert_eq!(account.differences, Vec::<String>::new());
    assert_eq!((account.orders, account.declines), (40, 1));
    assert!(account.charges > 10, "{account:?}");
    assert_eq!(account.charged_cents, account.shipped_cents);
}

#[test]
fn each_thing_that_can_go_wrong_is_found() {
    let shipped = right().orders.iter().find(|(_, found)| found.states == SHIPPED).expect("one").0.clone();
    let (declined, widget) = (PLAN.all().next().expect("one").id, "widget-3".to_owned());
    type Spoil<'a> = Box<dyn Fn(&mut Evidence) + 'a>;
    let order = |id: &str, spoil: fn(&mut Found)| -> Spoil<'_> {
        let id = id.to_owned();
        Box::new(move |evidence| spoil(evidence.orders.get_mut(&id).expect("there")))
    };
    let shelf = |spoil: fn(&mut Shelf)| -> Spoil<'_> {
        let widget = &widget;
        Box::new(move |evidence| spoil(evidence.shelves.get_mut(widget).expect("there")))
    };
    let spoils: Vec<(&str, Spoil<'_>)> = vec![
        (
            "charged",
            Box::new(|all| {
                let again = all.decisions.iter().find(|decision| decision.2).expect("one").clone();
                all.decisions.push(again);
            }),
        ),
        ("charged", Box::new(|all| all.decisions.retain(|decision| decision.0 != shipped))),
        ("charged", Box::new(|all| all.decisions.push((declined.clone(), 1, true)))),
        ("never ordered", Box::new(|all| all.decisions.push(("nobody-1".to_owned(), 1, true)))),
        ("costs", Box::new(|all| all.decisions.iter_mut().for_each(|decision| decision.1 += 1))),
        ("has no record", Box::new(|all| all.orders.retain(|id, _| *id != shipped))),
        ("diary", Box::new(|all| all.placed.retain(|id| *id != shipped))),
        (
            "was never ordered",
            Box::new(|all| {
                all.orders.insert("nobody-1".to_owned(), Found::default());
            }),
        ),
        (
            "stuck",
            order(&shipped, |found| {
                found.states.pop();
                found.state = "shipped".to_owned();
            }),
        ),
        ("went through", order(&shipped, |found| found.state = "shipped".to_owned())),
        ("stuck", order(&shipped, |found| found.states.insert(4, "shipped".to_owned()))),
        ("confirmed 2 times", order(&shipped, |found| found.confirmations += 1)),
        ("the record", order(&shipped, |found| found.paid_cents = 0)),
        ("there were", shelf(|shelf| shelf.free -= 1)),
        (
            "reserved for nobody",
            shelf(|shelf| {
                shelf.free -= 1;
                shelf.reserved += 1;
            }),
        ),
        (
            "left the shelf",
            shelf(|shelf| {
                shelf.free -= 1;
                shelf.shipped += 1;
            }),
        ),
        ("messages wait", Box::new(|all| all.waiting = 1)),
        ("dead letters", Box::new(|all| all.dead = 1)),
        ("in doubt", Box::new(|all| all.in_doubt = 1)),
    ];
    for (words, spoil) in spoils {
        let mut evidence = right();
        spoil(&mut evidence);
        let differences = check(&evidence, &PLAN).differences;
        assert!(differences.iter().any(|difference| difference.contains(words)), "{words}: {differences:?}");
    }
}
