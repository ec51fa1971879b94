//! The metrics: what happened can be read from them.

mod support;

use assent_protocol::ids::Peer;
use assent_transport::Role;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use support::{C1, Papers, World, query};

/// Keeps counters by name and labels, and gauges likewise (as the bits of an `f64`).
#[derive(Default)]
struct Figures(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Figures {
    fn cell(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{} {}", key.name(), labels.join(","));
        Arc::clone(self.0.lock().expect("nothing panics here").entry(name).or_default())
    }

    fn value(&self, name: &str) -> u64 {
        self.0.lock().expect("nothing panics here").get(name).map_or(0, |cell| cell.load(Ordering::SeqCst))
    }
}

impl Recorder for Figures {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn connections_frames_and_refusals_are_counted() {
    let figures = Figures::default();
    let _guard = metrics::set_default_local_recorder(&figures);
    let world = World::new();
    let clients = || f64::from_bits(figures.value("assent_transport_connections role=client"));

    let mut coordinator = world.start(Role::Coordinator, "c1").await;
    let mut client = world.client_of_c1("alice").await;
    client.up().await;
    let peer = coordinator.up().await;
    assert!((clients() - 1.0).abs() < 0.1, "one client: {}", clients());
    for request in 0..10 {
        client.endpoint.send(Peer::Node(C1), &query(request)).expect("connected");
    }
    for _ in 0..10 {
        coordinator.message().await;
    }
    assert_eq!(figures.value("assent_transport_frames_total direction=in"), 10);
    let bytes = figures.value("assent_transport_bytes_total direction=in");
    assert_eq!(bytes, (0..10).map(|request| support::frame(&query(request)).len() as u64).sum::<u64>());
    client.endpoint.close().await;
    assert_eq!(coordinator.down().await, peer);
    assert!(clients().abs() < 0.1, "no client: {}", clients());

    let raw = Papers::of(&world, Role::Client, "mallory")
        .connect(world.address(C1), "assent/1")
        .await
        .expect("genuine");
    let mut streams = raw.open().await;
    streams[0].0.write_all(&[0xff; 100]).await.expect("written");
    raw.verdict().await;
    coordinator.up().await;
    coordinator.down().await;
    // The Down is told a moment before the refusal is counted.
    while figures.value("assent_transport_refused_total reason=oversized") == 0 {
        tokio::task::yield_now().await;
    }
}
