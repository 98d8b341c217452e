//! What a relayed message carries besides padding: its number, and the time at which it was due.

use anyhow::Context as _;

/// Bytes of the two numbers, in hexadecimal.
const STAMP_BYTES: usize = 32;

/// The stamp at the start of a relayed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Counts the messages of one sender, from 0.
    pub number: u64,
    /// When it was due, in nanoseconds from the start of the run; 0 if the run times nothing.
    pub due: u64,
}

impl Stamp {
    /// Makes a text of `size` bytes, at least 32, that begins with the stamp.
    pub fn text(self, size: usize) -> String {
        let mut text = format!("{:016x}{:016x}", self.number, self.due);
        text.extend(std::iter::repeat_n('x', size.saturating_sub(STAMP_BYTES)));
        text
    }

    /// Reads the stamp at the start of a text.
    ///
    /// # Errors
    ///
    /// The text does not begin with a stamp.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let field = |range| {
            let digits = text.get(range).context("a message is too short")?;
            u64::from_str_radix(digits, 16).context("a message was changed on its way")
        };
        Ok(Self {
            number: field(0..16)?,
            due: field(16..32)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_from_a_text_of_the_size_asked_for() {
        let stamp = Stamp {
            number: 7,
            due: u64::MAX,
        };
        for size in [32, 300, 2048] {
            let text = stamp.text(size);
            assert_eq!(text.len(), size);
            assert_eq!(Stamp::parse(&text).unwrap(), stamp);
        }
    }

    #[test]
    fn a_damaged_text_is_noticed() {
        assert!(Stamp::parse("0123").is_err());
        let text = Stamp { number: 1, due: 2 }.text(40).replace('2', "y");
        assert!(Stamp::parse(&text).is_err());
    }
}
