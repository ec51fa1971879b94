//! Measures requests and replies per second between two processes over one connection.
//!
//! Not a load test of Assent: there is no logic behind it, the transport is all that is measured. Requests are about
//! 300 bytes, replies about 100. `cargo run --release -p assent-transport --example frames [SECONDS [MTU]]`.

use assent_protocol::{
    ids::{NodeId, Peer},
    message::{Message, Query, Reply},
};
use assent_transport::{Authority, Cluster, Dial, Endpoint, EndpointConfig, Event, Identity, Node, Role};
use std::{
    collections::BTreeMap,
    env,
    error::Error,
    net::UdpSocket,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc::Receiver;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.first().map(String::as_str) {
        Some("serve") => runtime.block_on(serve(Path::new(&arguments[1]), arguments[2].parse()?)),
        seconds => {
            let seconds: f64 = seconds.unwrap_or("3").parse()?;
            let mtu: u16 = arguments.get(1).map_or("1452", String::as_str).parse()?;
            let dir = tempfile::tempdir()?;
            set_up(dir.path())?;
            let mut server = Command::new(env::current_exe()?)
                .arg("serve")
                .arg(dir.path())
                .arg(mtu.to_string())
                .spawn()?;
            let measured = runtime.block_on(measure(dir.path(), mtu, Duration::from_secs_f64(seconds)));
            server.kill()?;
            server.wait()?;
            measured
        }
    }
}

fn set_up(dir: &Path) -> Outcome<()> {
    let authority = Authority::create(dir)?;
    authority.issue_into(dir, Role::Coordinator, "server")?;
    authority.issue_into(dir, Role::Client, "asker")?;
    let node = |id, role, name: &str| -> Outcome<Node> {
        let address = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        Ok(Node { id: NodeId(id), role, name: name.to_owned(), address, http: None })
    };
    let nodes = [node(1, Role::Coordinator, "server")?, node(2, Role::Participant, "nobody")?];
    std::fs::write(dir.join("cluster.toml"), Cluster::new(&nodes, &BTreeMap::new())?.to_toml())?;
    Ok(())
}

async fn start(dir: &Path, who: &str, listens: bool, mtu: u16) -> Outcome<(Endpoint, Receiver<Event>)> {
    let file = |end: &str| dir.join(format!("{who}.{end}"));
    let identity = Identity::load(&file("crt"), &file("key"), &dir.join("ca.crt"))?;
    let cluster = Arc::new(Cluster::load(&dir.join("cluster.toml"))?);
    let listen = cluster.node(NodeId(1)).filter(|_| listens).map(|node| node.address);
    let dial = if listens { Dial::Mesh } else { Dial::Coordinators };
    let mut config = EndpointConfig::new(identity, cluster, listen, dial);
    config.mtu_bytes_max = mtu;
    Ok(Endpoint::start(config).await?)
}

async fn serve(dir: &Path, mtu: u16) -> Outcome<()> {
    let (endpoint, mut events) = start(dir, "coordinator-server", true, mtu).await?;
    let answer = "x".repeat(90);
    while let Some(event) = events.recv().await {
        let Event::Messages { peer, messages, .. } = event else { continue };
        for message in messages {
            let Message::Query { request, .. } = message else { continue };
            endpoint.send(peer, &Message::Reply { request, reply: Reply::Refused(answer.clone()) })?;
        }
    }
    Ok(())
}

async fn measure(dir: &Path, mtu: u16, length: Duration) -> Outcome<()> {
    let (endpoint, mut events) = start(dir, "client-asker", false, mtu).await?;
    let peer = loop {
        if let Event::Up { peer, .. } = events.recv().await.ok_or("the endpoint ended")? {
            break peer;
        }
    };
    println!("in flight   per second   p50 µs   p99 µs");
    for in_flight in [1, 16, 64, 256] {
        round(&endpoint, &mut events, peer, in_flight, Duration::from_millis(300)).await?;
        let mut times = round(&endpoint, &mut events, peer, in_flight, length).await?;
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        let rate = times.len() as f64 / length.as_secs_f64();
        println!("{in_flight:>9}   {rate:>10.0}   {:>6.0}   {:>6.0}", at(0.5), at(0.99));
    }
    endpoint.close().await;
    Ok(())
}

/// Keeps so many requests in flight for a while; returns how long each one took.
async fn round(
    endpoint: &Endpoint,
    events: &mut Receiver<Event>,
    peer: Peer,
    in_flight: usize,
    length: Duration,
) -> Outcome<Vec<Duration>> {
    let table = Some("t".repeat(285));
    let ask = |slot: usize| {
        let query = Query::Scan { table: table.clone(), after: None };
        endpoint.send(peer, &Message::Query { request: slot as u64, query })
    };
    let begun = Instant::now();
    let mut asked = vec![begun; in_flight];
    let mut times = Vec::new();
    (0..in_flight).try_for_each(&ask)?;
    let mut open = in_flight;
    while open > 0 {
        let Event::Messages { messages, .. } = events.recv().await.ok_or("the endpoint ended")? else {
            return Err("the connection was lost".into());
        };
        let now = Instant::now();
        for message in messages {
            let Message::Reply { request, .. } = message else { continue };
            let slot = request as usize;
            times.push(now - asked[slot]);
            if now - begun < length {
                asked[slot] = now;
                ask(slot)?;
            } else {
                open -= 1;
            }
        }
    }
    Ok(times)
}
