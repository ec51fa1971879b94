//! How far a long command is: a bar on a terminal, a plain line now and then anywhere else. On standard error.

use crate::output::thousands;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{IsTerminal, stderr},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Between two plain lines that count steps.
const STEPS_EVERY: Duration = Duration::from_secs(5);
/// Between two plain lines of a clock.
const CLOCK_EVERY: Duration = Duration::from_secs(1);
/// A bar that counts steps.
const STEPS: &str = "{prefix:>12.cyan} [{bar:32.green/dim}] {human_pos}/{human_len} {per_sec} {wide_msg}";
/// A bar that counts time.
const CLOCK: &str = "{prefix:>12.cyan} [{bar:32.green/dim}] {wide_msg}";

/// The progress of one phase.
pub(crate) struct Progress {
    label: String,
    total: u64,
    is_clock: bool,
    done: AtomicU64,
    started: Instant,
    said: Mutex<Instant>,
    message: Mutex<String>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts a phase of `total` steps.
    pub(crate) fn new(label: &str, total: u64) -> Progress {
        Progress::start(label, total, STEPS)
    }

    /// Starts a phase whose steps are milliseconds: what is worth showing is its message.
    pub(crate) fn clock(label: &str, duration: Duration) -> Progress {
        Progress::start(label, u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), CLOCK)
    }

    fn start(label: &str, total: u64, template: &'static str) -> Progress {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
            let style = ProgressStyle::with_template(template).expect("the templates are constants");
            bar.set_style(style.progress_chars("━╸─"));
            bar.set_prefix(label.to_owned());
            bar
        });
        Progress {
            label: label.to_owned(),
            total,
            is_clock: template == CLOCK,
            done: AtomicU64::new(0),
            started: Instant::now(),
            said: Mutex::new(Instant::now()),
            message: Mutex::new(String::new()),
            bar,
        }
    }

    /// One step is done.
    pub(crate) fn step(&self) {
        self.steps(1);
    }

    /// Several steps are done.
    pub(crate) fn steps(&self, count: u64) {
        let done = self.done.fetch_add(count, Ordering::Relaxed) + count;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let Ok(mut said) = self.said.try_lock() else { return };
        let every = if self.is_clock { CLOCK_EVERY } else { STEPS_EVERY };
        if said.elapsed() >= every {
            *said = Instant::now();
            self.say(done);
        }
    }

    /// Sets the text beside the bar, which is the whole plain line of a clock.
    pub(crate) fn message(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        } else if let Ok(mut message) = self.message.lock() {
            *message = text;
        }
    }

    /// Says something that stays, above the bar.
    pub(crate) fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Ends the phase.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            if self.is_clock {
                return;
            }
        }
        self.say(self.done.load(Ordering::Relaxed));
    }

    fn say(&self, done: u64) {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        if self.is_clock {
            let message = self.message.lock().map(|message| message.clone()).unwrap_or_default();
            eprintln!("  {seconds:>5.1} s  {message}");
            return;
        }
        eprintln!(
            "{}: {} of {} ({} per second)",
            self.label,
            thousands(done),
            thousands(self.total),
            thousands((done as f64 / seconds) as u64),
        );
    }
}
