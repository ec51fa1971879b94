//! `assent transact`: any transactions, as JSON, one per line; results one per line.
//!
//! The shapes are the library's (`assent_client::json`) and stable; docs/cli.md shows them. Results are JSON
//! whether `--json` is given or not.

use crate::{
    context::{self, Global},
    failure::{Failure, chain},
    status::Status,
};
use assent_client::{Client, NotExecuted, Outcome, Reason, json};
use clap::Args;
use serde_json::Value;
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};

/// Shown below `--help`.
pub(crate) const HELP: &str = r#"Example:
  echo '{"ops": [{"op":"read","record":"course/CS101"}]}' | assent transact

The exit status is that of the worst result: unknown, then malformed, not executed, aborted,
committed. docs/cli.md shows every operation and result."#;

/// The longest line that is taken, in bytes: a frame between nodes holds no more.
const LINE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Lines that are read ahead.
const LINES_AHEAD: usize = 256;

/// Which transactions.
#[derive(Debug, Args)]
pub(crate) struct TransactArgs {
    /// The file with the transactions; - is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Sessions that run them side by side; with more than one, each result has the index of its transaction
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    clients: u16,
}

/// A line with its index among the lines that are not blank, from 0.
type Line = (u64, Result<String, String>);
/// Lines as the sessions take them.
type Lines = Arc<Mutex<mpsc::Receiver<Line>>>;

/// A result, and how bad it is.
struct Answered {
    value: Value,
    status: Status,
}

/// Runs the command.
pub(crate) fn run(args: &TransactArgs, global: &Global) -> Result<Status, Failure> {
    let input = open(&args.file)?;
    context::block_on(async {
        let first = global.connect().await?;
        let mut sessions = vec![first];
        while sessions.len() < usize::from(args.clients) {
            let session = sessions[0].session().await.map_err(|error| {
                Failure::new(Status::Unreachable, "could not open a session").cause(chain(&error))
            })?;
            sessions.push(session);
        }
        let lines = read_ahead(input);
        let (say, mut said) = mpsc::channel(LINES_AHEAD);
        let mut tasks = JoinSet::new();
        for session in sessions {
            tasks.spawn(work(session, Arc::clone(&lines), say.clone()));
        }
        drop(say);
        let mut worst = Status::Done;
        while let Some((index, answered)) = said.recv().await {
            let Answered { mut value, status } = answered;
            if args.clients > 1 {
                value["index"] = index.into();
            }
            worst = worse(worst, status);
            global.output().print_json(&value)?;
        }
        while let Some(session) = tasks.join_next().await {
            if let Ok(session) = session {
                session.close().await;
            }
        }
        Ok(worst)
    })
}

async fn work(session: Client, lines: Lines, say: mpsc::Sender<(u64, Answered)>) -> Client {
    loop {
        let line = lines.lock().await.recv().await;
        let Some((index, text)) = line else { return session };
        let answered = match text {
            Ok(text) => answer(&session, &text).await,
            Err(why) => malformed(None, why),
        };
        // Nobody listens any more when the results could not be printed.
        if say.send((index, answered)).await.is_err() {
            return session;
        }
    }
}

async fn answer(session: &Client, text: &str) -> Answered {
    let transaction = match json::transaction(text) {
        Ok(transaction) => transaction,
        // The reason names the operation itself.
        Err(error) => {
            return malformed(error.operation, json::JsonError { operation: None, ..error }.to_string());
        }
    };
    let operations = transaction.operations().to_vec();
    let outcome = session.submit(transaction).await;
    outcome.confirm();
    let status = match &outcome {
        Outcome::Committed(_) => Status::Done,
        Outcome::Aborted(abort) => match &abort.reason {
            Reason::Aborted(_) => Status::Aborted,
            Reason::NotExecuted(NotExecuted::Invalid { .. } | NotExecuted::Malformed(_)) => Status::Usage,
            Reason::NotExecuted(_) => Status::NotExecuted,
        },
        Outcome::Unknown(_) => Status::Unknown,
    };
    Answered { value: json::outcome(&outcome, &operations), status }
}

/// The result of a line that is no transaction; it was not sent.
fn malformed(operation: Option<usize>, why: String) -> Answered {
    let reason = Reason::NotExecuted(NotExecuted::Invalid { operation, why });
    let value = serde_json::json!({ "outcome": "aborted", "reason": json::reason(&reason) });
    Answered { value, status: Status::Usage }
}

fn worse(one: Status, other: Status) -> Status {
    let rank = |status: Status| match status {
        Status::Done => 0,
        Status::Aborted => 1,
        Status::NotExecuted => 2,
        Status::Usage => 3,
        _ => 4,
    };
    if rank(other) > rank(one) { other } else { one }
}

fn open(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    let unable = |error: std::io::Error| {
        Failure::new(Status::Usage, format!("could not read {}", path.display()))
            .cause(error)
            .remedy("name a file that exists and that you may read, or - for standard input")
    };
    let file = File::open(path).map_err(unable)?;
    if file.metadata().map_err(unable)?.is_dir() {
        return Err(unable(std::io::ErrorKind::IsADirectory.into()));
    }
    Ok(Box::new(file))
}

/// Reads lines on a thread of its own: standard input may have none for hours, and sessions must be kept meanwhile.
fn read_ahead(input: Box<dyn Read + Send>) -> Lines {
    let (send, lines) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        let mut input = BufReader::new(input);
        let mut index = 0;
        while let Some(line) = next_line(&mut input) {
            let over = line.is_err();
            if send.blocking_send((index, line)).is_err() || over {
                return;
            }
            index += 1;
        }
    });
    Arc::new(Mutex::new(lines))
}

/// The next line that is not blank. An error ends the input.
fn next_line(input: &mut impl BufRead) -> Option<Result<String, String>> {
    loop {
        let mut bytes = Vec::new();
        match input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes) {
            Ok(0) => return None,
            Ok(_) if bytes.len() as u64 == LINE_BYTES_MAX && !bytes.ends_with(b"\n") => {
                return Some(Err(format!(
                    "the line is longer than {LINE_BYTES_MAX} bytes; the rest is not read"
                )));
            }
            Ok(_) if bytes.trim_ascii().is_empty() => {}
            // What is not UTF-8 is no JSON either, and is said to be none.
            Ok(_) => return Some(Ok(String::from_utf8_lossy(bytes.trim_ascii()).into_owned())),
            Err(error) => return Some(Err(format!("the input can't be read: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_are_no_transactions() {
        let mut input: &[u8] = b"\n {} \r\n\n[]";
        assert_eq!(next_line(&mut input), Some(Ok("{}".to_owned())));
        assert_eq!(next_line(&mut input), Some(Ok("[]".to_owned())));
        assert_eq!(next_line(&mut input), None);
    }
}
