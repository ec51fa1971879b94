//! Where a log goes: standard error, as text or JSON.

use crate::{failure::Failure, status::Status};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// How a log line looks.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, for collectors.
    Json,
}

/// What makes a client command log.
const VARIABLE: &str = "ASSENT_LOG";

/// Starts logging where the environment asks for it: client commands are silent otherwise.
pub(crate) fn start_if_asked() -> Result<(), Failure> {
    match std::env::var(VARIABLE) {
        Ok(filter) if !filter.is_empty() => start(&filter, LogFormat::Text),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Starts logging what `filter` lets through.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::new(Status::Config, format!("{filter:?} is no log filter"))
            .cause(error)
            .remedy("use error, warn, info, debug or trace, or name parts: info,assent_transport=debug")
    })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => subscriber.with_ansi(false).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::new(Status::Failed, "could not start logging").cause(error))
}
