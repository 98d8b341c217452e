//! How the two people's machines and the server's are connected.
//!
//! Addresses begin with 10.201 where the server's machine knows the way, and with 192.168 where only a translator does.

use std::net::Ipv4Addr;

use crate::{Namespace, requirements::Failure};

/// The server's address, the same in every topology.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 201, 0, 1);

/// What lies between two people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Both reach the server, which passes nothing on.
    Island,
    /// Each is behind a router that translates addresses and keeps one outside port for each inside port, as most at home do. It
    /// lets nothing in that was not asked for.
    Nat,
    /// As [`Nat`](Self::Nat), but with another outside port for each destination, so that what a STUN server sees helps nobody else.
    SymmetricNat,
}

/// One of the two people's sides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) role: &'static str,
    /// Makes the networks of the sides different.
    pub(crate) number: u8,
    /// The server's interface towards this side.
    pub(crate) server_interface: &'static str,
}

pub(crate) const ADA: Side = Side {
    role: "ada",
    number: 1,
    server_interface: "to-ada",
};
pub(crate) const BEA: Side = Side {
    role: "bea",
    number: 2,
    server_interface: "to-bea",
};

/// The interface of a person's machine.
pub(crate) const INTERFACE: &str = "eth0";

impl Topology {
    /// Prepares the server's machine for both sides.
    pub(crate) fn set_up_server(self, server: &Namespace) -> Result<(), Failure> {
        server.ip(&format!("addr add {SERVER}/32 dev lo"))?;
        // The default route leads nowhere, silently: a relay is asked to send to addresses behind translators, and must not be
        // told at once that there is no way, as it would not be on the internet.
        server.ip("link add nowhere type bridge")?;
        server.ip("link set nowhere up")?;
        server.ip("addr add 10.201.99.1/24 dev nowhere")?;
        server.ip("neigh add 10.201.99.2 lladdr 02:00:00:00:00:01 dev nowhere nud permanent")?;
        server.ip("route add default via 10.201.99.2")?;
        if self != Self::Island {
            server.forward();
        }
        Ok(())
    }

    /// Connects a person's machine to the server's; gives the router between them, where there is one.
    pub(crate) fn connect(
        self,
        side: Side,
        person: &Namespace,
        server: &Namespace,
        network: usize,
    ) -> Result<Option<Namespace>, Failure> {
        let Side {
            role,
            number,
            server_interface,
        } = side;
        let outside = format!("10.201.{number}");
        if self == Self::Island {
            link(person, INTERFACE, server, server_interface, &outside)?;
            return Ok(None);
        }
        let router = Namespace::create(network, &format!("{role}-router"))?;
        link(&router, "outside", server, server_interface, &outside)?;
        link(
            person,
            INTERFACE,
            &router,
            "inside",
            &format!("192.168.{number}"),
        )?;
        router.forward();
        router.nft(&self.translation())?;
        Ok(Some(router))
    }

    /// The rules of a router. What comes from outside unasked is dropped before it is recorded as a connection: the record would
    /// take the outside port away from the connection that is about to be made from inside.
    fn translation(self) -> String {
        let ports = match self {
            Self::SymmetricNat => "fully-random",
            Self::Island | Self::Nat => "",
        };
        format!(
            "table ip translation {{
                chain out {{
                    type nat hook postrouting priority srcnat;
                    oifname outside masquerade {ports}
                }}
                chain to_router {{
                    type filter hook input priority filter;
                    iifname outside ct state new drop
                }}
                chain to_inside {{
                    type filter hook forward priority filter;
                    iifname outside ct state new drop
                }}
            }}"
        )
    }
}

/// Connects two machines: the lower one has `{network}.2` and sends everything to the upper one, which has `{network}.1`.
fn link(
    lower: &Namespace,
    lower_interface: &str,
    upper: &Namespace,
    upper_interface: &str,
    network: &str,
) -> Result<(), Failure> {
    let peer = upper.name();
    lower.ip(&format!(
        "link add {lower_interface} type veth peer name {upper_interface} netns {peer}"
    ))?;
    lower.ip(&format!("addr add {network}.2/24 dev {lower_interface}"))?;
    upper.ip(&format!("addr add {network}.1/24 dev {upper_interface}"))?;
    lower.ip(&format!("link set {lower_interface} up"))?;
    upper.ip(&format!("link set {upper_interface} up"))?;
    lower.ip(&format!("route add default via {network}.1"))
}
