//! A bad path: slow, and losing packets.

use crate::{Namespace, requirements::Failure};

/// An interface of a machine.
type End<'a> = (&'a Namespace, &'static str);

/// One packet in ten is lost in either direction, and no more than 64 kbit/s get through. What does not fit waits for up to 0.2 s,
/// and is lost as well if it would have to wait for longer.
#[derive(Debug)]
pub struct Impairment<'a> {
    ends: [End<'a>; 2],
}

impl<'a> Impairment<'a> {
    pub(crate) fn between(ends: [End<'a>; 2]) -> Result<Self, Failure> {
        for (machine, interface) in ends {
            // Each packet is one of those on the wire, not a bundle of them that would be lost or sent as one.
            machine.ip(&format!("link set {interface} gso_max_segs 1"))?;
            machine.exec(&format!(
                "tc qdisc add dev {interface} root tbf rate 64kbit burst 4kb latency 200ms"
            ))?;
            // Lost where it comes in: a sender would notice if its own machine dropped what it sends.
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

    /// How many packets were lost so far on their way in, at either end.
    ///
    /// # Panics
    /// If the system does not say.
    #[must_use]
    pub fn lost(&self) -> [u64; 2] {
        self.ends
            .map(|(machine, _)| number_after("packets ", &read(machine, "nft list table ip loss")))
    }

    /// How many times a packet had to wait for the bottleneck so far on its way out, at either end.
    ///
    /// # Panics
    /// If the system does not say.
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
