//! The relay with real sockets: an echo behind it, and a caller.

use super::*;
use crate::attack::environment::links::LinkState;
use std::time::Instant;

struct Setup {
    relay: Relay,
    states: States,
    caller: StdSocket,
    node: StdSocket,
}

fn set_up() -> Setup {
    let local: IpAddr = [127, 0, 0, 1].into();
    let node = StdSocket::bind((local, 0)).expect("a socket");
    let caller = StdSocket::bind((local, 0)).expect("a socket");
    caller.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    node.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let states = States::default();
    let address = node.local_addr().expect("an address");
    let relay = Relay::start(local, &[address], Arc::clone(&states), 1).expect("it starts");
    Setup { relay, states, caller, node }
}

impl Setup {
    fn ask(&self, text: &[u8]) {
        let to = self.relay.address((1, 0)).expect("the clients' link");
        self.caller.send_to(text, to).expect("it is sent");
    }

    fn set(&self, link: Link, state: LinkState) {
        self.states.write().expect("no panic").insert(link, state);
    }

    fn hear(socket: &StdSocket) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 2048];
        let (bytes, from) = socket.recv_from(&mut buffer).expect("a packet");
        (buffer[..bytes].to_vec(), from)
    }
}

#[test]
fn an_answer_comes_back_from_where_the_question_went() {
    let setup = set_up();
    setup.ask(b"question");
    let (question, from) = Setup::hear(&setup.node);
    assert_eq!(question, b"question");
    setup.node.send_to(b"answer", from).expect("it is sent");
    let (answer, from) = Setup::hear(&setup.caller);
    assert_eq!(answer, b"answer");
    assert_eq!(Some(from), setup.relay.address((1, 0)));
}

#[test]
fn a_cut_one_way_passes_the_other_way() {
    let setup = set_up();
    setup.ask(b"first");
    let (_, from) = Setup::hear(&setup.node);
    setup.set((1, 0), LinkState { cut: true, ..LinkState::default() });
    setup.ask(b"lost");
    setup.node.send_to(b"answer", from).expect("it is sent");
    assert_eq!(Setup::hear(&setup.caller).0, b"answer");
    setup.states.write().expect("no panic").clear();
    setup.ask(b"second");
    assert_eq!(Setup::hear(&setup.node).0, b"second");
}

#[test]
fn a_delayed_packet_comes_after_its_delay_and_a_doubled_one_twice() {
    let setup = set_up();
    setup.set((1, 0), LinkState { delay_ms: 150, duplicate_per_mille: 1000, ..LinkState::default() });
    let asked = Instant::now();
    setup.ask(b"slow");
    assert_eq!(Setup::hear(&setup.node).0, b"slow");
    assert!(asked.elapsed() >= Duration::from_millis(150));
    assert_eq!(Setup::hear(&setup.node).0, b"slow");
}
