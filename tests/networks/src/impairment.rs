//! A bad path: it is slow and loses packets.

use united_voice_browser::{Failure, Namespace};

/// An interface of a machine.
type End<'a> = (&'a Namespace, &'static str);

/// The path loses one packet in ten in either direction, and carries 64 kbit/s. The other packets
/// wait up to 0.2 s. If a packet would have to wait longer, it is lost too.
#[derive(Debug)]
pub struct Impairment<'a> {
    ends: [End<'a>; 2],
}

impl<'a> Impairment<'a> {
    pub(crate) fn between(ends: [End<'a>; 2]) -> Result<Self, Failure> {
        for (machine, interface) in ends {
            // Packets are as on the wire. Bundles of packets would be lost or sent as one.
            machine.ip(&format!("link set {interface} gso_max_segs 1"))?;
            machine.exec(&format!(
                "tc qdisc add dev {interface} root tbf rate 64kbit burst 4kb latency 200ms"
            ))?;
            // Drop incoming packets: a sender would notice a loss on its own machine.
            machine.nft(&format!(
                "table ip loss {{
                    chain incoming {{
                        type filter hook prerouting priority raw;
                        iifname {interface} numgen random mod 100 < 10 counter drop
                    }}
                }}"
            ))?;
        }
        Ok(Self { ends })
    }

    /// The number of incoming packets that each end has lost so far.
    ///
    /// # Panics
    /// If the system does not tell.
    #[must_use]
    pub fn lost(&self) -> [u64; 2] {
        self.ends
            .map(|(machine, _)| number_after("packets ", &read(machine, "nft list table ip loss")))
    }

    /// How often so far an outgoing packet of each end had to wait for the bottleneck.
    ///
    /// # Panics
    /// If the system does not tell.
    #[must_use]
    pub fn delayed(&self) -> [u64; 2] {
        self.ends.map(|(machine, interface)| {
            let command = format!("tc -s qdisc show dev {interface}");
            number_after("overlimits ", &read(machine, &command))
        })
    }
}

fn read(machine: &Namespace, command: &str) -> String {
    machine
        .exec(command)
        .unwrap_or_else(|failure| panic!("{failure}"))
}

fn number_after(word: &str, text: &str) -> u64 {
    text.split_once(word)
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no number after {word:?} in {text}"))
}
