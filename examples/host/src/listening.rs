//! The sockets that a server listens on, and how it accepts connections from them.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    task::{Context, Poll},
    time::Duration,
};

use anyhow::Context as _;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{net::TcpStream, time::sleep};

use crate::descriptors;

/// Connections that may wait to be accepted. With the usual 128, many clients that come at once
/// have to try again, and lose a second.
const BACKLOG: i32 = 4096;

/// Bytes that the system may hold for a client besides those on their way. If it took megabytes at
/// once, it would take nothing for seconds after that, and a client with a slow line would look as
/// if it had stopped reading.
#[cfg(target_os = "linux")]
const MAX_UNSENT_BYTES: u32 = 32 * 1024;

/// How often a free port is looked for, if it must be free on several addresses.
const PORT_ATTEMPTS: usize = 20;

/// How long to wait if the system can't accept a connection. The next attempt would fail too.
const PAUSE: Duration = Duration::from_millis(500);

/// Binds a socket to each of the addresses, which have the same port. A name such as `localhost` may stand for
/// addresses that this machine does not have; those are left out unless none is left.
pub(crate) fn bind(addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let any_port = addresses.iter().all(|address| address.port() == 0);
    let attempts = if any_port { PORT_ATTEMPTS } else { 1 };
    let mut outcome = bind_once(addresses);
    for _ in 1..attempts {
        match &outcome {
            Err((_, error)) if error.kind() == io::ErrorKind::AddrInUse => {
                outcome = bind_once(addresses);
            }
            _ => break,
        }
    }
    outcome.map_err(|(address, error)| {
        anyhow::Error::new(error).context(format!("cannot listen on {address}"))
    })
}

fn bind_once(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut absent = None;
    for &address in addresses {
        let mut wanted = address;
        if let (0, Some(first)) = (address.port(), listeners.first()) {
            let first = first.local_addr().map_err(|error| (address, error))?;
            wanted.set_port(first.port());
        }
        match bind_to(wanted) {
            Ok(listener) => listeners.push(listener),
            Err(error) if addresses.len() > 1 && is_absent(&error) => {
                tracing::info!(%error, "{address} is no address of this machine");
                absent = Some((address, error));
            }
            Err(error) => return Err((wanted, error)),
        }
    }
    match absent {
        Some(absent) if listeners.is_empty() => Err(absent),
        _ => Ok(listeners),
    }
}

/// Whether the system lacks the address, or its whole family.
fn is_absent(error: &io::Error) -> bool {
    #[cfg(unix)]
    let lacks_family = error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
    #[cfg(not(unix))]
    let lacks_family = error.kind() == io::ErrorKind::Unsupported;
    lacks_family || error.kind() == io::ErrorKind::AddrNotAvailable
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Without this option a restart has to wait until the system forgets the connections of the
    // last run.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // Accepted connections inherit it. A system that lacks it holds more, and that is all.
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_notsent_lowat(MAX_UNSENT_BYTES);
    Ok(socket.into())
}

/// Lets clients connect to sockets that are bound.
pub(crate) fn listen(listeners: &[TcpListener]) -> anyhow::Result<()> {
    for listener in listeners {
        let listened = SockRef::from(listener).listen(BACKLOG);
        listened.with_context(|| match listener.local_addr() {
            Ok(address) => format!("cannot listen on {address}"),
            Err(_) => "cannot listen".to_owned(),
        })?;
    }
    Ok(())
}

/// The addresses that listeners are bound to.
pub(crate) fn local_addresses(listeners: &[TcpListener]) -> anyhow::Result<Vec<SocketAddr>> {
    let addresses = listeners.iter().map(TcpListener::local_addr);
    let addresses: io::Result<Vec<_>> = addresses.collect();
    addresses.context("a listener has no address")
}

/// An address that a browser on this machine can open.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    let loopback: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    if address.ip().is_unspecified() {
        address.set_ip(loopback);
    }
    address
}

/// Accepts connections from all listeners of a server.
#[derive(Debug)]
pub struct Acceptor {
    listeners: Vec<tokio::net::TcpListener>,
    /// The listener that is asked first, so that each has its turn.
    next: usize,
}

impl Acceptor {
    /// Takes listeners that do not block.
    ///
    /// # Errors
    ///
    /// If the runtime can't watch them.
    pub fn new(listeners: Vec<TcpListener>) -> io::Result<Self> {
        let listeners = listeners.into_iter().map(tokio::net::TcpListener::from_std);
        Ok(Self {
            listeners: listeners.collect::<Result<_, _>>()?,
            next: 0,
        })
    }

    /// The next connection. If the system can't accept one, because too many files are open for
    /// instance, the operator is told once a minute, and it is tried again until it can.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no connection is lost.
    pub async fn accept(&mut self) -> TcpStream {
        loop {
            match poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(stream) => return stream,
                // The client has gone already.
                Err(error) if is_of_client(&error) => {}
                Err(error) => {
                    descriptors::warn(&format!("no connection is accepted ({error})"));
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        for _ in 0..self.listeners.len() {
            self.next = (self.next + 1) % self.listeners.len();
            if let Poll::Ready(accepted) = self.listeners[self.next].poll_accept(cx) {
                return Poll::Ready(accepted.map(|(stream, _)| stream));
            }
        }
        Poll::Pending
    }
}

fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_an_address_that_a_browser_can_open() {
        for (bound, expected) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(bound.parse().unwrap()).to_string(), expected);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_holds_little_for_a_client() {
        let listeners = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        listen(&listeners).unwrap();
        listeners[0].set_nonblocking(false).unwrap();
        let _client = std::net::TcpStream::connect(listeners[0].local_addr().unwrap()).unwrap();
        let (accepted, _) = listeners[0].accept().unwrap();
        let limit = socket2::SockRef::from(&accepted).tcp_notsent_lowat();
        assert_eq!(limit.unwrap(), MAX_UNSENT_BYTES);
    }

    #[test]
    fn all_addresses_have_one_port() {
        let addresses = ["127.0.0.1:0", "127.0.0.2:0"].map(|text| text.parse().unwrap());
        let listeners = bind(&addresses).unwrap();
        let bound = local_addresses(&listeners).unwrap();
        assert_eq!(bound[0].port(), bound[1].port());
        assert_ne!(bound[0].port(), 0);
        assert_ne!(bound[0].ip(), bound[1].ip());
    }

    #[test]
    fn an_address_that_the_machine_lacks_is_left_out_if_another_is_there() {
        // RFC 5737 keeps this address for documentation.
        let absent: SocketAddr = "192.0.2.1:0".parse().unwrap();
        let here: SocketAddr = "127.0.0.1:0".parse().unwrap();
        assert_eq!(bind(&[absent, here]).unwrap().len(), 1);
        let error = bind(&[absent]).unwrap_err();
        assert_eq!(error.to_string(), "cannot listen on 192.0.2.1:0");
        assert!(bind(&[absent, absent]).is_err());
    }

    #[test]
    fn an_address_in_use_is_an_error_even_if_another_is_free() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let addresses = [[127, 0, 0, 2], [127, 0, 0, 1]].map(|ip| SocketAddr::from((ip, port)));
        assert!(bind(&addresses).is_err());
    }
}
