//! What the system knows of a process.

use std::{error::Error, fs, time::Duration};

/// Why nothing was measured.
pub type Failed = Box<dyn Error + Send + Sync>;

/// The memory that it occupies, in bytes.
///
/// # Errors
/// There is no such process, or the system does not say.
pub fn resident(pid: u32) -> Result<usize, Failed> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? * 1024)
}

/// How long its threads have run so far, and how often one of them has gone to sleep.
///
/// # Errors
/// There is no such process, or the system does not say.
pub fn activity(pid: u32) -> Result<(Duration, u64), Failed> {
    let (mut ran, mut slept) = (0, 0);
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let thread = thread?.path();
        let schedule = fs::read_to_string(thread.join("schedstat"))?;
        ran += schedule.split(' ').next().unwrap_or_default().parse::<u64>()?;
        let status = fs::read_to_string(thread.join("status"))?;
        let switches = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        slept += switches.ok_or("no voluntary_ctxt_switches")?.trim().parse::<u64>()?;
    }
    Ok((Duration::from_nanos(ran), slept))
}

/// How long this process has run so far.
pub fn ran() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes to a time that outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
