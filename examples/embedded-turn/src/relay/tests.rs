use std::collections::VecDeque;

use parking_lot::Mutex;

use super::*;
use crate::{Limits, quota::Quota};

/// A socket that has received what the test gives it, and keeps what is sent by it.
#[derive(Default)]
struct FakeSocket {
    received: Mutex<VecDeque<(Vec<u8>, SocketAddr)>>,
    sent: Mutex<Vec<SocketAddr>>,
}

#[async_trait]
impl Conn for FakeSocket {
    async fn connect(&self, _: SocketAddr) -> webrtc_util::Result<()> {
        unreachable!("a relay has no connections")
    }

    async fn recv(&self, _: &mut [u8]) -> webrtc_util::Result<usize> {
        unreachable!("a relay wants to know from whom")
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> webrtc_util::Result<(usize, SocketAddr)> {
        let next = self.received.lock().pop_front();
        let (datagram, from) = next.ok_or_else(|| io::Error::from(ErrorKind::UnexpectedEof))?;
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok((length, from))
    }

    async fn send(&self, _: &[u8]) -> webrtc_util::Result<usize> {
        unreachable!("a relay says to whom")
    }

    async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> webrtc_util::Result<usize> {
        self.sent.lock().push(to);
        Ok(datagram.len())
    }

    fn local_addr(&self) -> webrtc_util::Result<SocketAddr> {
        Ok(peer("8.8.4.4:50000"))
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    async fn close(&self) -> webrtc_util::Result<()> {
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

fn peer(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A relay at 8.8.4.4 that also has the allocation 8.8.4.4:50001.
fn relay(quota: &Arc<Quota>) -> Relay<FakeSocket> {
    let own = peer("8.8.4.4:0").ip();
    Relay {
        socket: FakeSocket::default(),
        peers: Peers::Public {
            own: [own, own],
            allocations: Arc::clone(quota),
        },
        _permit: quota.admit("alice").unwrap().with_port(50001),
        _allocated: Session::default().allocated(),
    }
}

const ALLOWED: [&str; 3] = ["8.8.8.8:53", "8.8.4.4:50001", "[2606:4700::1111]:53"];

const REFUSED: [&str; 9] = [
    "127.0.0.1:53",
    "10.0.0.1:53",
    "169.254.169.254:80",
    "0.0.0.0:53",
    "8.8.4.4:53",
    "224.0.0.251:5353",
    "[::1]:53",
    "[::ffff:127.0.0.1]:53",
    "[fd00::1]:53",
];

#[tokio::test]
async fn nothing_is_sent_to_refused_peers() {
    let quota = Arc::new(Quota::new(Limits::default()));
    let relay = relay(&quota);
    for to in REFUSED.iter().chain(&ALLOWED) {
        // A refused peer looks like one that does not answer.
        assert_eq!(relay.send_to(b"four", peer(to)).await.unwrap(), 4, "{to}");
    }
    assert_eq!(*relay.socket.sent.lock(), ALLOWED.map(peer));
}

#[tokio::test]
async fn packets_from_refused_peers_and_cut_packets_are_dropped() {
    let quota = Arc::new(Quota::new(Limits::default()));
    let relay = relay(&quota);
    let mut incoming: VecDeque<_> = REFUSED.map(|from| (vec![0; 4], peer(from))).into();
    incoming.push_back((vec![1; 16], peer(ALLOWED[0])));
    incoming.extend(ALLOWED.map(|from| (vec![2; 15], peer(from))));
    *relay.socket.received.lock() = incoming;

    let mut buffer = [0; 16];
    for from in ALLOWED {
        let (length, source) = relay.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..length], source), (&[2; 15][..], peer(from)));
    }
    assert!(
        relay.recv_from(&mut buffer).await.is_err(),
        "an error is passed on"
    );
}
