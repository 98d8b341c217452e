//! Where the clients of a run connect, and the processes that are watched meanwhile.

use std::time::Duration;

use crate::process::Process;

/// The servers of a run.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Host and port of each server. The members of a room take them in turn.
    pub(crate) addresses: Vec<String>,
    /// Their processes.
    pub(crate) servers: Vec<Process>,
    /// The engine of the servers, if they are nodes of a cluster.
    pub(crate) engine: Option<Process>,
}

/// Time on processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cpu {
    /// Of all servers.
    pub(crate) servers: Duration,
    /// Of their engine, if they have one.
    pub(crate) engine: Option<Duration>,
}

impl Site {
    /// The time that the servers and the engine have spent on processors.
    ///
    /// # Errors
    ///
    /// One of them has ended.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        let mut servers = Duration::ZERO;
        for server in &self.servers {
            servers += server.cpu()?;
        }
        let engine = self.engine.map(Process::cpu).transpose()?;
        Ok(Cpu { servers, engine })
    }

    /// What they have spent since.
    ///
    /// # Errors
    ///
    /// As [`cpu`](Self::cpu).
    pub(crate) fn cpu_since(&self, before: Cpu) -> anyhow::Result<Cpu> {
        let now = self.cpu()?;
        let engine = now.engine.zip(before.engine);
        Ok(Cpu {
            servers: now.servers.saturating_sub(before.servers),
            engine: engine.map(|(now, before)| now.saturating_sub(before)),
        })
    }
}

impl Cpu {
    /// None at all, beside the same kinds of processes.
    pub(crate) fn none_beside(other: Self) -> Self {
        Self {
            servers: Duration::ZERO,
            engine: other.engine.map(|_| Duration::ZERO),
        }
    }

    /// Of both.
    pub(crate) fn whole(self) -> Duration {
        self.servers + self.engine.unwrap_or_default()
    }
}

impl std::ops::AddAssign for Cpu {
    fn add_assign(&mut self, other: Self) {
        self.servers += other.servers;
        self.engine = self.engine.zip(other.engine).map(|(a, b)| a + b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_servers_and_engine_counts_apart() {
        let own = Process {
            id: std::process::id(),
        };
        let mut site = Site {
            addresses: Vec::new(),
            servers: vec![own, own],
            engine: Some(own),
        };
        let begin = site.cpu().unwrap();
        while own.cpu().unwrap() < begin.servers / 2 + Duration::from_millis(5) {}
        let spent = site.cpu_since(begin).unwrap();
        assert!(spent.servers >= Duration::from_millis(9), "{spent:?}");
        assert!(spent.engine.unwrap() >= Duration::from_millis(4));
        let mut sum = Cpu::none_beside(spent);
        sum += spent;
        assert_eq!(sum, spent);
        assert_eq!(sum.whole(), spent.servers + spent.engine.unwrap());
        site.engine = None;
        assert_eq!(site.cpu_since(begin).unwrap().engine, None);
    }
}
