//! What jobs took: time, and that of processors, here and in the server.

use std::{fmt, fs, time::Instant};

use crate::Failed;

/// Ticks of the clock by which Linux counts processor time, a second.
const TICKS: f64 = 100.0;

pub(crate) struct Meter {
    began: Instant,
    server: u32,
    ticks: [u64; 2],
}

/// What a turn took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    /// Whole lives a second.
    pub(crate) lives: f64,
    /// Microseconds of processor time a job, in this process.
    pub(crate) client: f64,
    /// The same in all processes of the server.
    pub(crate) server: f64,
}

impl Meter {
    pub(crate) fn begin(server: u32) -> Result<Self, Failed> {
        Ok(Self { ticks: ticks(server)?, server, began: Instant::now() })
    }

    pub(crate) fn end(self, jobs: usize) -> Result<Spent, Failed> {
        let lives = jobs as f64 / self.began.elapsed().as_secs_f64();
        let now = ticks(self.server)?;
        let cpu = |which: usize| now[which].saturating_sub(self.ticks[which]) as f64 / TICKS * 1e6 / jobs as f64;
        Ok(Spent { lives, client: cpu(0), server: cpu(1) })
    }
}

impl Spent {
    /// The one in the middle, of each value by itself.
    pub(crate) fn median(all: &[Self]) -> Self {
        let of = |value: fn(&Self) -> f64| median(&mut all.iter().map(value).collect::<Vec<_>>());
        Self { lives: of(|one| one.lives), client: of(|one| one.client), server: of(|one| one.server) }
    }
}

/// The value in the middle.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lives, client, server } = self;
        write!(f, "{lives:.0} lives/s, {:.0} µs CPU a job: {client:.0} client, {server:.0} server", client + server)
    }
}

/// The process that started this one, which all of a server's have in common.
pub(crate) fn parent(process: i32) -> Result<u32, Failed> {
    Ok(stat(&process.to_string())?.parent)
}

/// Ticks of this process so far, and of the server: of its first process, of those that it has waited for, and of those that live.
fn ticks(server: u32) -> Result<[u64; 2], Failed> {
    let own = stat("self")?;
    let mut all: u64 = stat(&server.to_string())?.ticks.iter().sum();
    for entry in fs::read_dir("/proc")? {
        // One that ends meanwhile is among those waited for the next time.
        if let Some(child) = entry?.file_name().to_str().filter(|name| name.starts_with(|c: char| c.is_ascii_digit()))
            && let Ok(child) = stat(child)
            && child.parent == server
        {
            all += child.ticks[..2].iter().sum::<u64>();
        }
    }
    Ok([own.ticks[..2].iter().sum(), all])
}

struct Stat {
    parent: u32,
    /// In user mode and in the kernel; the same of children that were waited for.
    ticks: [u64; 4],
}

fn stat(process: &str) -> Result<Stat, Failed> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = text.rsplit(") ").next().unwrap_or_default();
    let fields: Vec<_> = after_name.split(' ').collect();
    let number = |place: usize| fields.get(place).unwrap_or(&"").parse::<u64>();
    Ok(Stat { parent: number(1)? as u32, ticks: [number(11)?, number(12)?, number(13)?, number(14)?] })
}
