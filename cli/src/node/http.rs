//! What a node shows over HTTP: `/metrics`, `/healthz`, `/readyz`. Read-only, for people and monitors.
//!
//! It runs on a thread of its own: a node that is busy still answers, and a monitor never slows a vote.

use crate::{failure::Failure, status::Status};
use axum::{Router, http::StatusCode, routing::get};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

/// Between two clean-ups of the histograms.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Bounds of histograms of times, in seconds: from a memory access to a disk that hangs.
const SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0,
];

/// Bounds of histograms of sizes and counts: powers of four.
const SIZES: &[f64] = &[
    1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0,
];

/// How far a node is.
#[derive(Clone, Default, Debug)]
pub(crate) struct Readiness(Arc<AtomicU8>);

const STARTING: u8 = 0;
const READY: u8 = 1;
const STOPPING: u8 = 2;

impl Readiness {
    /// It takes transactions now.
    pub(crate) fn become_ready(&self) {
        // A node that is told to stop while it starts stays stopping.
        let _ = self.0.compare_exchange(STARTING, READY, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// It takes no more.
    pub(crate) fn become_stopping(&self) {
        self.0.store(STOPPING, Ordering::Relaxed);
    }

    fn answer(&self) -> (StatusCode, &'static str) {
        match self.0.load(Ordering::Relaxed) {
            READY => (StatusCode::OK, "ready\n"),
            STOPPING => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        }
    }
}

/// Collects the metrics of this process from now on.
pub(crate) fn collect_metrics() -> Result<PrometheusHandle, Failure> {
    let unable = |error: &dyn std::fmt::Display| {
        Failure::new(Status::Failed, "could not start collecting metrics").cause(error)
    };
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
        .and_then(|builder| builder.set_buckets(SIZES))
        .map_err(|error| unable(&error))?
        .install_recorder()
        .map_err(|error| unable(&error))
}

/// Takes the port and answers on it until the process ends.
pub(crate) fn serve(
    address: SocketAddr,
    metrics: PrometheusHandle,
    readiness: Readiness,
) -> Result<(), Failure> {
    let unable = |error: std::io::Error| {
        let failure = Failure::new(
            Status::Node,
            format!("could not listen on {address} (TCP) for /metrics and /readyz"),
        );
        match error.kind() {
            std::io::ErrorKind::AddrInUse => failure
                .cause("another process has the port")
                .remedy("end that process, or give the node another `http` address in the cluster file"),
            _ => failure.cause(error).remedy("check the node's `http` address in the cluster file"),
        }
    };
    let listener = TcpListener::bind(address).map_err(unable)?;
    listener.set_nonblocking(true).map_err(unable)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unable)?;
    std::thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || {
            if let Err(error) = runtime.block_on(answer(listener, metrics, readiness)) {
                tracing::error!(%error, "the HTTP listener has stopped");
            }
        })
        .map_err(unable)?;
    Ok(())
}

async fn answer(
    listener: TcpListener,
    metrics: PrometheusHandle,
    readiness: Readiness,
) -> std::io::Result<()> {
    let upkeep = metrics.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            upkeep.run_upkeep();
        }
    });
    let router = Router::new()
        .route("/metrics", get(move || std::future::ready(metrics.render())))
        .route("/healthz", get(|| std::future::ready("alive\n")))
        .route("/readyz", get(move || std::future::ready(readiness.answer())));
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
}
