//! How far a long command is: a bar on a terminal, a plain line now and then anywhere else. On standard error.

use super::Output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{IsTerminal, stderr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Between two plain lines.
const LINES_EVERY: Duration = Duration::from_secs(10);

/// The progress of one command.
pub(crate) struct Progress {
    form: Form,
}

enum Form {
    Bar(ProgressBar),
    Lines {
        label: String,
        total: u64,
        said: Mutex<Instant>,
    },
    /// Scripts want nothing but the result.
    Nothing,
}

impl Progress {
    /// Of `total` steps.
    pub(crate) fn new(label: &str, total: u64, output: Output) -> Progress {
        let form = if output.is_json() {
            Form::Nothing
        } else if stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
            let style = ProgressStyle::with_template(
                "{prefix:>12.cyan} [{bar:32.green/dim}] {human_pos}/{human_len} {wide_msg} {eta}",
            );
            bar.set_style(style.expect("the template is a constant").progress_chars("━╸─"));
            bar.set_prefix(label.to_owned());
            Form::Bar(bar)
        } else {
            Form::Lines { label: label.to_owned(), total, said: Mutex::new(Instant::now()) }
        };
        Progress { form }
    }

    /// So many steps are done; the words are beside the bar.
    pub(crate) fn at(&self, done: u64, words: impl FnOnce() -> String) {
        match &self.form {
            Form::Bar(bar) => {
                bar.set_message(words());
                bar.set_position(done);
            }
            Form::Lines { label, total, said } => {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                if said.elapsed() >= LINES_EVERY {
                    *said = Instant::now();
                    eprintln!("{label}: {done} of {total}, {}", words());
                }
            }
            Form::Nothing => {}
        }
    }

    /// Prints something without the bar in its way.
    pub(crate) fn suspended<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.form {
            Form::Bar(bar) => bar.suspend(print),
            Form::Lines { .. } | Form::Nothing => print(),
        }
    }

    /// Says what comes next, which has no steps that could be counted.
    pub(crate) fn say(&self, words: &str) {
        match &self.form {
            Form::Bar(bar) => bar.suspend(|| eprintln!("{words}")),
            Form::Lines { .. } => eprintln!("{words}"),
            Form::Nothing => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Form::Bar(bar) = &self.form {
            bar.finish_and_clear();
        }
    }
}
