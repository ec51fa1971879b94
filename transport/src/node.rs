//! What every node's loop needs beside its machine: a clock, and a way to show the machine's figures.
//!
//! Not here: any decision. The machines know neither clocks nor metrics; this is where the two meet.

use assent_protocol::{
    ids::{Stamp, Time},
    span::Span,
};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The node's monotonic clock, and the wall clock where a date is needed.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { start: Instant::now() }
    }
}

impl Clock {
    /// Microseconds since this clock was made.
    pub fn now(&self) -> Time {
        Time(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// The moment at which [`Clock::now`] will be `time`.
    pub fn instant(&self, time: Time) -> Instant {
        self.start + Duration::from_micros(time.0)
    }

    /// The wall clock, in microseconds since 1970.
    pub fn wall(&self) -> Stamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Stamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }
}

/// Histograms of how long things took in a node: a machine's spans, as `assent_<role>_<span>_seconds`, and how long its
/// inputs waited for their turn, as `assent_<role>_queue_seconds`.
pub struct SpanMeters {
    spans: Vec<(Span, metrics::Histogram)>,
    queue: metrics::Histogram,
}

impl SpanMeters {
    /// The meters of a role. Call it after the recorder is installed.
    pub fn new(role: &'static str) -> SpanMeters {
        let meter =
            |span: Span| (span, metrics::histogram!(format!("assent_{role}_{}_seconds", span.name())));
        let queue = metrics::histogram!(format!("assent_{role}_queue_seconds"));
        SpanMeters { spans: Span::ALL.map(meter).into(), queue }
    }

    /// Records spans, given in microseconds.
    pub fn record(&self, spans: impl Iterator<Item = (Span, u64)>) {
        for (span, us) in spans {
            if let Some((_, meter)) = self.spans.iter().find(|(known, _)| *known == span) {
                meter.record(us as f64 / 1e6);
            }
        }
    }
}

impl SpanMeters {
    /// A turn takes messages that arrived then.
    pub fn record_queued(&self, arrived: Instant) {
        self.queue.record(arrived.elapsed());
    }
}

/// Publishes a machine's counts as `assent_<role>_<name>_total` and its sizes as `assent_<role>_<name>`.
pub fn publish(role: &'static str, counts: &[(&'static str, u64)], sizes: &[(&'static str, u64)]) {
    for (name, value) in counts {
        metrics::counter!(format!("assent_{role}_{name}_total")).absolute(*value);
    }
    for (name, value) in sizes {
        metrics::gauge!(format!("assent_{role}_{name}")).set(*value as f64);
    }
}
