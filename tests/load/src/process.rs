//! What a server costs, as the kernel counts it.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::Context as _;

/// A process that is watched. It need not be a child.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// The number that the kernel knows it by.
    pub id: u32,
}

impl Process {
    /// The time that its threads have spent on a processor, in user space and in the kernel, to the
    /// nanosecond. A thread that has ended no longer counts. The servers here keep their threads.
    ///
    /// # Errors
    ///
    /// The process has ended.
    pub fn cpu(self) -> anyhow::Result<Duration> {
        let mut total = Duration::ZERO;
        for thread in fs::read_dir(self.path("task")).context("the server has ended")? {
            let path = thread?.path().join("schedstat");
            // A thread may end while the folder is read.
            if let Ok(line) = fs::read_to_string(&path) {
                total += running_time(&line).with_context(|| path.display().to_string())?;
            }
        }
        Ok(total)
    }

    /// Its resident memory in bytes.
    ///
    /// # Errors
    ///
    /// The process has ended.
    pub fn resident_bytes(self) -> anyhow::Result<u64> {
        let sums = fs::read_to_string(self.path("smaps_rollup")).context("the server has ended")?;
        resident(&sums).context("the kernel says nothing of resident memory")
    }

    fn path(self, file: &str) -> PathBuf {
        ["/proc", &self.id.to_string(), file].iter().collect()
    }
}

fn running_time(schedstat: &str) -> Option<Duration> {
    let nanos = schedstat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

fn resident(smaps_rollup: &str) -> Option<u64> {
    let line = smaps_rollup
        .lines()
        .find_map(|it| it.strip_prefix("Rss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Raises the limit of open files, and so of sockets, to the system's maximum. It holds for this
/// process and the processes that it starts.
///
/// # Errors
///
/// The kernel refuses.
pub fn raise_file_limit() -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_understood() {
        let time = running_time("1019453 154419 2\n");
        assert_eq!(time, Some(Duration::from_nanos(1_019_453)));
        let sums = "55e0-7ffd ---p 00000000 00:00 0 [rollup]\nRss:    2208 kB\nPss:  700 kB\n";
        assert_eq!(resident(sums), Some(2208 * 1024));
        assert_eq!(running_time(""), None);
        assert_eq!(resident("Pss: 1 kB"), None);
    }

    #[test]
    fn this_process_has_memory_and_spends_time() {
        let own = Process {
            id: std::process::id(),
        };
        assert!(own.resident_bytes().unwrap() > 100_000);
        let before = own.cpu().unwrap();
        let mut sum = 0u64;
        while own.cpu().unwrap() < before + Duration::from_millis(5) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }
}
