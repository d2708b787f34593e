//! What a drill came to, for people and programs.

use std::{fmt, io::Write, time::Duration};

use serde::Serialize;

use crate::check::Verdict;

/// One drill's line.
#[derive(Debug, Serialize)]
pub struct Row {
    drill: &'static str,
    faults: usize,
    sessions: usize,
    told: usize,
    lost: usize,
    doubled: usize,
    unaccounted: usize,
    settled_in_ms: u128,
    /// What else the drill promises.
    note: String,
    /// The first few of what went wrong.
    wrong: Vec<String>,
}

impl Row {
    pub fn new(
        drill: &'static str,
        faults: usize,
        verdict: &Verdict,
        settled_in: Duration,
    ) -> Self {
        let all = verdict
            .lost
            .iter()
            .map(|id| format!("lost {id}"))
            .chain(verdict.doubled.iter().map(|id| format!("doubled {id}")))
            .chain(verdict.unaccounted.iter().cloned());
        Self {
            drill,
            faults,
            sessions: verdict.sessions,
            told: verdict.told,
            lost: verdict.lost.len(),
            doubled: verdict.doubled.len(),
            unaccounted: verdict.unaccounted.len(),
            settled_in_ms: settled_in.as_millis(),
            note: String::new(),
            wrong: all.take(20).collect(),
        }
    }

    /// Says what else was seen.
    pub fn noting(self, note: String) -> Self {
        Self { note, ..self }
    }

    /// Something else that the drill promises did not hold.
    pub fn failing(mut self, what: String) -> Self {
        self.unaccounted = self.unaccounted.saturating_add(1);
        self.wrong.push(what);
        self
    }

    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.unaccounted == 0
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:<16} {:>7} {:>9} {:>7} {:>5} {:>8} {:>12} {:>7}.{} s  {}",
            self.drill,
            self.faults,
            self.sessions,
            self.told,
            self.lost,
            self.doubled,
            self.unaccounted,
            self.settled_in_ms / 1000,
            self.settled_in_ms % 1000 / 100,
            self.note
        )
    }
}

/// All lines, and what went wrong.
pub fn print(rows: &[Row], json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(rows)?)?;
        return Ok(());
    }
    writeln!(
        out,
        "{:<16} {:>7} {:>9} {:>7} {:>5} {:>8} {:>12} {:>11}",
        "drill", "faults", "sessions", "told", "lost", "doubled", "unaccounted", "settled in"
    )?;
    for row in rows {
        writeln!(out, "{row}")?;
    }
    for row in rows.iter().filter(|row| !row.is_clean()) {
        for wrong in &row.wrong {
            writeln!(out, "{}: {wrong}", row.drill)?;
        }
    }
    Ok(())
}
