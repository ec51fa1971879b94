//! The UDP socket and the timers that QUIC runs on: tokio's, but woken and asked less often than by quinn's own adapter.
//!
//! - A read that leaves room for more datagrams has emptied the socket. quinn's adapter reads once more to be told so;
//!   this one takes note of it at once.
//! - tokio's own UDP socket wants to be told when there is room to write, and Linux tells it after each datagram that has left:
//!   the sleep after a send ends at once, for nothing. There nearly always is room. This socket asks only when there was none.
//! - Timers are [`Alarm`]s.

use crate::alarm::Alarm;
use quinn::{
    AsyncTimer, AsyncUdpSocket, Runtime, UdpPoller,
    udp::{RecvMeta, Transmit, UdpSocketState},
};
use std::{
    fmt,
    future::Future,
    io::{self, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Instant,
};
use tokio::io::{Interest, unix::AsyncFd};

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

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(Arc::new(Socket::new(socket)?))
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// Asks the system about one thing only.
#[expect(
    unsafe_code,
    reason = "tokio can't know that a descriptor stays open; of a socket of std it is known"
)]
fn watch(socket: UdpSocket, interest: Interest) -> io::Result<AsyncFd<UdpSocket>> {
    // SAFETY: a `UdpSocket` owns its descriptor, which is open and the same one until the socket is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}

#[derive(Debug)]
struct Socket {
    /// Watched for what arrives, and for nothing else.
    io: AsyncFd<UdpSocket>,
    state: UdpSocketState,
    /// There was no room for the last datagram.
    full: AtomicBool,
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable { socket: self, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.state.send(self.io.get_ref().into(), transmit);
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.full.store(true, Ordering::Relaxed);
        }
        sent
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.io.poll_read_ready(context))?;
            let mut received = 0;
            let read = ready.try_io(|io| {
                received = self.state.recv(io.get_ref().into(), buffers, metas)?;
                // What arrives from now on makes the socket ready again: what is cleared is what was so before the read.
                if received < buffers.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match read {
                _ if received > 0 => return Poll::Ready(Ok(received)),
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Ok(Ok(())) | Err(_) => {}
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
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

impl Socket {
    fn new(socket: UdpSocket) -> io::Result<Socket> {
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Socket { io: watch(socket, Interest::READABLE)?, state, full: AtomicBool::new(false) })
    }

    /// Waits until there is room. The system is asked through a descriptor of its own, which tells the present state first.
    async fn writable(&self) -> io::Result<()> {
        let io = watch(self.io.get_ref().try_clone()?, Interest::WRITABLE)?;
        io.writable().await?.retain_ready();
        self.full.store(false, Ordering::Relaxed);
        Ok(())
    }
}

type Waiting = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

/// One connection's wait for room in the socket.
struct Writable {
    socket: Arc<Socket>,
    waiting: Option<Waiting>,
}

impl UdpPoller for Writable {
    fn poll_writable(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Writable { socket, waiting } = &mut *self;
        if !socket.full.load(Ordering::Relaxed) {
            *waiting = None;
            return Poll::Ready(Ok(()));
        }
        let room = waiting.get_or_insert_with(|| {
            let socket = Arc::clone(socket);
            Box::pin(async move { socket.writable().await })
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::poll_fn, task::Waker, time::Duration};

    fn socket() -> Arc<Socket> {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        Arc::new(Socket::new(socket).expect("in a runtime"))
    }

    // Over loopback a datagram leaves the sender's buffer before `sendmsg` returns: that there was no room can only be said.
    #[tokio::test]
    async fn after_a_send_that_found_no_room_everyone_waits_until_the_system_says_that_there_is() {
        let socket = socket();
        socket.full.store(true, Ordering::Relaxed);
        let mut pollers = [Arc::clone(&socket).create_io_poller(), Arc::clone(&socket).create_io_poller()];
        let first = pollers[0].as_mut().poll_writable(&mut Context::from_waker(Waker::noop()));
        assert!(first.is_pending(), "the system was not asked yet");
        for poller in &mut pollers {
            let room = poll_fn(|context| poller.as_mut().poll_writable(context));
            let room = tokio::time::timeout(Duration::from_secs(30), room).await;
            room.expect("there is room").expect("no error");
        }
        assert!(!socket.full.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn every_datagram_is_received_however_they_come() {
        let (socket, other) = (socket(), UdpSocket::bind("127.0.0.1:0").expect("a port is free"));
        let address = socket.local_addr().expect("it is bound");
        let mut memory = vec![[0; 2_000]; 4];
        let mut seen = 0;
        // Fewer, as many, and more than one read takes.
        for burst in [1, 3, 4, 5, 1, 9, 8] {
            for _ in 0..burst {
                other.send_to(&[7; 1_000], address).expect("it is sent");
            }
            let mut left = burst;
            while left > 0 {
                let mut buffers = memory.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect::<Vec<_>>();
                let mut metas = [RecvMeta::default(); 4];
                let read = poll_fn(|context| socket.poll_recv(context, &mut buffers, &mut metas));
                let count = tokio::time::timeout(Duration::from_secs(30), read).await;
                let count = count.expect("datagrams wait").expect("no error");
                // Datagrams of one sender may come as one.
                left -= metas[..count].iter().map(|meta| meta.len / 1_000).sum::<usize>();
            }
            seen += burst;
        }
        assert_eq!(seen, 31);
    }
}
