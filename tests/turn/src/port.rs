//! Ports for programs that can't pick one themselves.

use std::{
    collections::BTreeSet,
    net::{IpAddr, TcpListener, UdpSocket},
    sync::{Mutex, PoisonError},
};

/// A port that nobody listens on at this moment, neither by TCP nor by UDP, and that this process has not been given before.
///
/// The second matters because two coturns can listen on the same port, and each then gets a part of what comes. Another
/// program may still take the port before the caller does.
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
