//! Who is in a room, as one connection was told.

use anyhow::bail;

/// The other members, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    seated: bool,
    others: Vec<String>,
    told: u64,
}

impl Roster {
    /// The server has confirmed the seat.
    pub(crate) fn take_seat(&mut self) -> anyhow::Result<()> {
        if std::mem::replace(&mut self.seated, true) {
            bail!("a join was answered twice");
        }
        Ok(())
    }

    /// The server has told of a member.
    pub(crate) fn tell(&mut self, member: &str) -> anyhow::Result<()> {
        if self.index(member).is_some() {
            bail!("a member was announced twice");
        }
        self.told += 1;
        self.others.push(member.to_owned());
        Ok(())
    }

    /// Adds a member that made itself known, if it is new.
    pub(crate) fn meet(&mut self, member: &str) {
        if self.index(member).is_none() {
            self.others.push(member.to_owned());
        }
    }

    /// Whether the seat is confirmed.
    pub(crate) const fn is_seated(&self) -> bool {
        self.seated
    }

    /// Members that the server told of.
    pub(crate) const fn told(&self) -> u64 {
        self.told
    }

    /// The others, in the order in which they became known.
    pub(crate) fn others(&self) -> &[String] {
        &self.others
    }

    /// The place of a member.
    pub(crate) fn index(&self, member: &str) -> Option<usize> {
        self.others.iter().position(|it| it == member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_twice_is_an_error() {
        let mut roster = Roster::default();
        roster.take_seat().unwrap();
        assert!(roster.take_seat().is_err());
        roster.tell("a").unwrap();
        assert!(roster.tell("a").is_err());
        roster.meet("a");
        roster.meet("b");
        assert_eq!(roster.others(), ["a", "b"]);
        assert_eq!(roster.told(), 1);
    }
}
