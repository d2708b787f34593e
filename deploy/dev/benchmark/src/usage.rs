//! CPU time and memory of processes, from `/proc`.

use std::{fs, time::Duration};

use anyhow::Context;

/// `USER_HZ`, which Linux fixes at this value for every program.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time so far.
pub fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The process name may hold any character, and ends at the last parenthesis.
    let (_, fields) = stat.rsplit_once(')').context("/proc/…/stat")?;
    let mut ticks = 0;
    for field in fields.split_whitespace().skip(11).take(2) {
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
