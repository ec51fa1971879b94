//! The UDP socket and the timers that QUIC runs on: tokio's, asked less often than quinn's own adapter does.
//!
//! A read that leaves room for more datagrams has emptied the socket. quinn's adapter reads once more to be told so;
//! this one takes note of it at once, which halves the system calls of a node that is woken for one packet.
//! Timers are [`Alarm`]s.

use crate::alarm::Alarm;
use quinn::{
    AsyncTimer, AsyncUdpSocket, Runtime, UdpPoller,
    udp::{RecvMeta, Transmit, UdpSocketState},
};
use std::{
    fmt,
    future::Future,
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};
use tokio::io::Interest;

/// What quinn asks for tasks, timers and sockets.
#[derive(Debug)]
pub(crate) struct Tokio;

impl Runtime for Tokio {
    fn new_timer(&self, due: Instant) -> Pin<Box<dyn AsyncTimer>> {
        let mut alarm = Alarm::new();
        alarm.set(Some(due));
        Box::pin(alarm)
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(future);
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Arc::new(Socket { state, io: tokio::net::UdpSocket::from_std(socket)? }))
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

#[derive(Debug)]
struct Socket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable { socket: self, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.io.try_io(Interest::WRITABLE, || self.state.send((&self.io).into(), transmit))
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(context))?;
            let mut received = 0;
            let read = self.io.try_io(Interest::READABLE, || {
                received = self.state.recv((&self.io).into(), buffers, metas)?;
                // What arrives from now on makes the socket ready again: tokio's note is of before this read, so that
                // clearing it clears nothing newer.
                if received < buffers.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match read {
                _ if received > 0 => return Poll::Ready(Ok(received)),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
                Ok(()) | Err(_) => {}
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }
}

type Waiting = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

/// One connection's wait for room in the socket: tokio remembers any number of such futures, but only one poll.
struct Writable {
    socket: Arc<Socket>,
    waiting: Option<Waiting>,
}

impl UdpPoller for Writable {
    fn poll_writable(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Writable { socket, waiting } = &mut *self;
        if waiting.is_none() && socket.io.try_io(Interest::WRITABLE, || Ok(())).is_ok() {
            return Poll::Ready(Ok(()));
        }
        let room = waiting.get_or_insert_with(|| {
            let socket = Arc::clone(socket);
            Box::pin(async move { socket.io.writable().await })
        });
        let done = ready!(room.as_mut().poll(context));
        *waiting = None;
        Poll::Ready(done)
    }
}

impl fmt::Debug for Writable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Writable").field("waits", &self.waiting.is_some()).finish_non_exhaustive()
    }
}
