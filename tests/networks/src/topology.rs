//! How the machines of the two people and of the server are connected.
//!
//! The server's machine has routes to addresses that begin with 10.201. Addresses that begin with
//! 192.168 are behind a router that translates addresses, and only that router has routes to them.

use std::net::Ipv4Addr;

use united_voice_browser::{Failure, Namespace};

/// The server's address, the same in every topology.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 201, 0, 1);

/// What lies between the two people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Both reach the server, which passes on no packets.
    Island,
    /// Each is behind a router that translates addresses, as most home routers do: it keeps one
    /// outside port for each inside port, and drops incoming packets that answer nothing.
    Nat,
    /// Like [`Nat`](Self::Nat), but each destination gets another outside port. So the address that
    /// a STUN server sees is of no use to the other person.
    SymmetricNat,
}

/// The side of one of the two people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) role: &'static str,
    /// Makes the addresses of the sides differ.
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
        // The default route leads nowhere, silently. Browsers ask a relay to send to addresses
        // behind routers. On the internet it gets no immediate error for that, so it must get none
        // here.
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

    /// Connects a person's machine to the server's. Returns the router between them, if there is
    /// one.
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

    /// The rules of a router. Unasked packets from outside are dropped before connection tracking
    /// records them. Otherwise the record would take the outside port from the connection that
    /// comes from inside.
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

/// Connects two machines. The upper one has the address `{network}.1`. The lower one has
/// `{network}.2`, and its default route leads to the upper one.
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
