//! The harness of the network tests: whole networks on one machine, of namespaces and the links between them.
//!
//! A [`Network`] has two people, Ada and Bea, each on a machine of their own, and a server that both can reach. What lies
//! between the two is its [`Topology`]. A [`Namespace`] is such a machine: [`Namespace::browser`] runs a browser there,
//! [`Namespace::block_on`] whatever a test wants to do from there, and [`Namespace::socket`] gives a socket of it.
//!
//! Nothing of this leaves the machine or touches its own network. A network is removed with its value, however the test
//! ends; what a killed test leaves behind is removed by the next.

mod call;
mod impairment;
mod namespace;
mod network;
mod requirements;
mod topology;

pub use call::{Call, Pair};
pub use impairment::Impairment;
pub use namespace::Namespace;
pub use network::Network;
pub use topology::{SERVER, Topology};
