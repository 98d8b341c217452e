//! The members of a room that one client knows of.

use anyhow::bail;

/// The other members, each of them once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    seated: bool,
    others: Vec<String>,
    told: u64,
}

impl Roster {
    /// Notes that the server confirmed the join.
    pub(crate) fn take_seat(&mut self) -> anyhow::Result<()> {
        if std::mem::replace(&mut self.seated, true) {
            bail!("a join was answered twice");
        }
        Ok(())
    }

    /// Adds a member that the server told of.
    pub(crate) fn tell(&mut self, member: &str) -> anyhow::Result<()> {
        if self.index(member).is_some() {
            bail!("a member was announced twice");
        }
        self.told += 1;
        self.others.push(member.to_owned());
        Ok(())
    }

    /// Adds a member that made itself known, unless it is there already.
    pub(crate) fn meet(&mut self, member: &str) {
        if self.index(member).is_none() {
            self.others.push(member.to_owned());
        }
    }

    /// Whether the server has confirmed the join.
    pub(crate) const fn is_seated(&self) -> bool {
        self.seated
    }

    /// The number of members that the server told of.
    pub(crate) const fn told(&self) -> u64 {
        self.told
    }

    /// The other members, in the order in which they became known.
    pub(crate) fn others(&self) -> &[String] {
        &self.others
    }

    /// The place of a member among the others.
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
