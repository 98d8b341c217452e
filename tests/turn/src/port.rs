//! Ports for programs that can't choose a free port themselves.

use std::{
    collections::BTreeSet,
    net::{IpAddr, TcpListener, UdpSocket},
    sync::{Mutex, PoisonError},
};

/// A port on which no program listens now, neither by TCP nor by UDP. Each call in this process
/// gives another port.
///
/// Two coturns can listen on the same port, and each then gets a part of the packets. So no port is
/// given twice. Another program may still take the port before the caller does.
///
/// # Panics
/// If `ip` is not an address of this machine.
#[must_use]
pub fn free_port(ip: IpAddr) -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let tcp = TcpListener::bind((ip, 0)).expect("the address is this machine's");
        let port = tcp
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        if UdpSocket::bind((ip, port)).is_ok() && given.insert(port) {
            return port;
        }
    }
}
