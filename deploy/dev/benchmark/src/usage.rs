//! CPU time and memory of processes, from `/proc`.

use std::{fs, time::Duration};

use anyhow::Context;

/// `USER_HZ`, which Linux fixes at this value for every program.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time so far.
pub fn cpu(pid: u32) -> anyhow::Result<Duration> {
    sum_of_times(pid, 2)
}

/// CPU time so far, with all processes it has started, and has not disowned.
pub fn cpu_of_all(pid: u32) -> anyhow::Result<Duration> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let mut sum = sum_of_times(pid, 4)?;
    for child in children.split_whitespace() {
        // One that has ended since is among its parent's own times, which are a little older.
        sum += cpu_of_all(child.parse()?).unwrap_or_default();
    }
    Ok(sum)
}

/// - `times`: how many of its times: in user mode, in the kernel, and both of children that have ended.
fn sum_of_times(pid: u32, times: usize) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The process name may hold any character, and ends at the last parenthesis.
    let (_, fields) = stat.rsplit_once(')').context("/proc/…/stat")?;
    let mut ticks = 0;
    for field in fields.split_whitespace().skip(11).take(times) {
        ticks += field.parse::<u64>()?;
    }
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Proportional memory in MB: shared pages count in part.
pub fn memory_mb(pid: u32) -> anyhow::Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .context("Pss")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

/// Files it has open, connections among them.
pub fn open_files(pid: u32) -> anyhow::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Files that this process may have open.
pub fn open_files_allowed() -> anyhow::Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    Ok(soft.context("Max open files")?.parse()?)
}
