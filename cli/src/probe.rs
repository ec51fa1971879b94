//! Asks a node's HTTP listener: one small GET at a time, without a client library.
//!
//! Only for the listeners of nodes: plain HTTP/1.0, no redirects, bounded size and time.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// The longest answer that is taken, in bytes.
const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: String,
}

/// Gets `path` from a node.
pub(crate) fn get(address: SocketAddr, path: &str, timeout: Duration) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
    parse(&String::from_utf8_lossy(&bytes))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

/// Whether a node says that it is ready, and otherwise what it says.
pub(crate) fn readiness(address: SocketAddr) -> Result<(), String> {
    match get(address, "/readyz", Duration::from_secs(1)) {
        Ok(answer) if answer.status == 200 => Ok(()),
        Ok(answer) => Err(answer.body.trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\nstarting\n").expect("it is HTTP");
        assert_eq!((answer.status, answer.body.as_str()), (503, "starting\n"));
        assert!(parse("SSH-2.0-OpenSSH\r\n\r\n").is_none());
    }
}
