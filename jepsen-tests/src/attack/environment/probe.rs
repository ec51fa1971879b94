//! Asks a node's HTTP listener, which is there for people and tools: one small GET at a time.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// The longest answer that is taken, in bytes.
const ANSWER_BYTES_MAX: u64 = 8 << 20;
/// How long a node may take to answer.
const WITHIN: Duration = Duration::from_secs(2);

/// Gets the body of `path`, if the status is 200.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, WITHIN)?;
    stream.set_read_timeout(Some(WITHIN))?;
    stream.set_write_timeout(Some(WITHIN))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
        Some((_, body)) => Err(io::Error::other(body.trim().to_owned())),
        None => Err(io::Error::other("the answer is not HTTP")),
    }
}
