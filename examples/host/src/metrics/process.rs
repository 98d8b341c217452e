//! What the process takes from the system. Names and units are those that Prometheus recommends.

use crate::metrics::exposition::Exposition;

/// Writes what the system says. Other systems than Linux say less, and then the metric is missing.
pub(super) fn write(text: &mut Exposition) {
    if let Some(seconds) = cpu_seconds() {
        text.counter(
            "process_cpu_seconds_total",
            "Processor time of the process, user and system",
            seconds,
        );
    }
    if let Some(bytes) = resident_memory() {
        text.gauge(
            "process_resident_memory_bytes",
            "Memory of the process that is in RAM",
            bytes,
        );
    }
    if let Some(open) = open_files() {
        text.gauge("process_open_fds", "Open files and sockets", open);
    }
    if let Some(limit) = crate::descriptors::limit() {
        text.gauge(
            "process_max_fds",
            "The most files and sockets that may be open",
            limit,
        );
    }
}

#[cfg(unix)]
fn cpu_seconds() -> Option<f64> {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 / super::SECOND)
}

#[cfg(not(unix))]
fn cpu_seconds() -> Option<f64> {
    None
}

fn resident_memory() -> Option<u64> {
    resident_of(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn resident_of(status: &str) -> Option<u64> {
    let mut lines = status.lines();
    let resident = lines.find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

fn open_files() -> Option<u64> {
    const FOLDER: &str = "/proc/self/fd";
    // Since Linux 6.2 the size of the folder is the number of open files. To count them takes
    // milliseconds if there are ten thousands.
    match std::fs::metadata(FOLDER).ok()?.len() {
        // The folder itself is open while its entries are counted.
        0 => Some((std::fs::read_dir(FOLDER).ok()?.count() as u64).saturating_sub(1)),
        number => Some(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_read_from_its_line() {
        let status = "Name:\tserver\nVmHWM:\t   9000 kB\nVmRSS:\t    8364 kB\nThreads:\t3\n";
        assert_eq!(resident_of(status), Some(8364 * 1024));
        assert_eq!(resident_of("Name:\tserver\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_running_process_has_used_all_of_them() {
        let open = open_files().expect("Linux says it");
        assert!(open >= 3, "{open}");
        assert!(resident_memory() > Some(1 << 20));
        assert!(cpu_seconds() > Some(0.0));
    }
}
