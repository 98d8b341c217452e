//! The harness of the network tests. It builds whole networks on one machine, from network
//! namespaces and links between them.
//!
//! A [`Network`] has a machine for Ada, one for Bea, and a server that both can reach. Its
//! [`Topology`] says what lies between Ada and Bea. Each machine is a [`Namespace`]:
//! [`Namespace::browser`] runs a browser there, [`Namespace::block_on`] runs async code there, and
//! [`Namespace::socket`] makes a socket there.
//!
//! No packet leaves the real machine, and its own network stays as it is. Dropping a network
//! removes it, even if the test fails. If a test is killed, the next test removes what is left.

mod call;
mod impairment;
mod network;
mod topology;

pub use call::{Call, Pair};
pub use impairment::Impairment;
pub use network::Network;
pub use topology::{SERVER, Topology};
pub use united_voice_browser::Namespace;
