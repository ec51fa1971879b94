//! Asks the card service: one HTTP request, and an answer or none.

use crate::order::Order;
use std::{
    io::{Error, ErrorKind},
    path::Path,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

/// What the card service has decided, for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Charged,
    Declined,
}

/// Charges the card, once for each key. After an error it may be charged or not: ask again, with the same key.
pub(crate) async fn charge(
    card: &Path,
    key: &str,
    order: &Order,
    patience: Duration,
) -> Result<Answer, Error> {
    let late = |_| Error::new(ErrorKind::TimedOut, "the card service has not answered in time");
    let reply = timeout(patience, post(card, key, order)).await.map_err(late)??;
    match (reply.split(' ').nth(1), reply.rsplit("\r\n").next()) {
        (Some("200"), Some("charged")) => Ok(Answer::Charged),
        (Some("200"), Some("declined")) => Ok(Answer::Declined),
        (status, _) => {
            Err(Error::other(format!("the card service answered {}", status.unwrap_or("nothing"))))
        }
    }
}

async fn post(card: &Path, key: &str, order: &Order) -> Result<String, Error> {
    let body = serde_json::json!({ "reference": order.id, "cents": order.cents }).to_string();
    let request = format!(
        "POST /charges HTTP/1.1\r\nHost: card\r\nConnection: close\r\nIdempotency-Key: {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = UnixStream::connect(card).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await?;
    Ok(reply)
}
