//! Which registration of which process.

use std::fmt;

/// One registration of one node.
///
/// A node is one process; its 32 bits are random and last as long as the process. It registers at
/// its start, and again whenever the engine has lost or ended its registration. Operations and
/// entries are numbered per registration.
///
/// The text has always [`Nid::WIDTH`] bytes, since keys and records are cut by width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nid {
    /// The process: random, not 0.
    pub node: u32,
    /// 1 for the first registration of the process, 2 for the next.
    pub registration: u32,
}

impl Nid {
    /// The bytes of the text form: two numbers of 8 hexadecimal digits and a dot between them.
    pub const WIDTH: usize = 17;

    /// The registration `registration` of the process `node`.
    pub const fn new(node: u32, registration: u32) -> Self {
        Self { node, registration }
    }

    /// Reads the text form. `None` for anything that [`Display`](fmt::Display) would not write.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != Self::WIDTH || text[8] != b'.' {
            return None;
        }
        Some(Self::new(
            hexadecimal(&text[..8])?,
            hexadecimal(&text[9..])?,
        ))
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u32::from(value))
    })
}

impl fmt::Display for Nid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}.{:08x}", self.node, self.registration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_one_width_and_comes_back() {
        for nid in [
            Nid::new(0, 1),
            Nid::new(u32::MAX, u32::MAX),
            Nid::new(0xa, 0x10),
        ] {
            let text = nid.to_string();
            assert_eq!(text.len(), Nid::WIDTH);
            assert_eq!(Nid::parse(text.as_bytes()), Some(nid));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            "0000000a00000001",
            "0000000a.0000001",
            "0000000A.00000001",
            "+000000a.00000001",
            "0000000a:00000001",
        ] {
            assert_eq!(Nid::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
