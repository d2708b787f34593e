//! Results: a table for readers, JSON for programs.

use std::{collections::BTreeMap, fmt::Write};

use serde::Serialize;

use crate::{
    figures::median_by_process,
    limits::Limits,
    measure::{
        Backlog, Confirm, CreateSession, SPIKE_CONNECTIONS, Spike, Steady, Throughput, Waiting,
    },
};

/// Results of one run of the benchmark.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub date: String,
    pub machine: String,
    /// Results of each round, from which the medians are taken.
    pub rounds: Rounds,
    pub limits: Option<Limits>,
    /// Medians of the product and the peers, by name.
    pub targets: BTreeMap<String, Common>,
    /// Latency curve of the product alone.
    pub rates: Vec<Steady>,
    pub backlog: Option<Backlog>,
    pub waiting: Vec<Waiting>,
    pub create_session: Option<CreateSession>,
    /// Memory of the product after all of that, by process.
    pub memory_mb: BTreeMap<&'static str, f64>,
}

/// Results of each round.
#[derive(Debug, Default, Serialize)]
pub struct Rounds {
    pub limits: Vec<Limits>,
    pub targets: BTreeMap<String, Vec<Common>>,
    pub create_session: Vec<CreateSession>,
}

impl Rounds {
    pub fn note(&mut self, name: &str, measured: Common) {
        let rounds = self.targets.entry(name.to_owned());
        rounds.or_default().push(measured);
    }
}

/// Measurements that the product and its peers have in common.
#[derive(Debug, Default, Serialize)]
pub struct Common {
    pub throughput: Option<Throughput>,
    pub steady: Option<Steady>,
    pub spike: Option<Spike>,
    pub confirm: Option<Confirm>,
    /// Memory after all of these but the spike, by process.
    pub memory_mb: BTreeMap<&'static str, f64>,
}

impl Common {
    /// Median of several rounds, value by value.
    pub fn median(rounds: &[Self]) -> Self {
        fn all<T: Clone>(rounds: &[Common], part: fn(&Common) -> &Option<T>) -> Option<Vec<T>> {
            rounds.iter().map(|round| part(round).clone()).collect()
        }
        let memory = rounds.iter().map(|it| &it.memory_mb);
        Self {
            throughput: all(rounds, |it| &it.throughput).map(|it| Throughput::median(&it)),
            steady: all(rounds, |it| &it.steady).map(|it| Steady::median(&it)),
            spike: all(rounds, |it| &it.spike).map(|it| Spike::median(&it)),
            confirm: all(rounds, |it| &it.confirm).map(|it| Confirm::median(&it)),
            memory_mb: median_by_process(memory),
        }
    }
}

impl Report {
    /// Takes the medians of the rounds so far.
    pub fn sum_up(&mut self) {
        let Rounds {
            limits,
            targets,
            create_session,
        } = &self.rounds;
        let targets = targets.iter();
        self.targets = targets
            .map(|(name, rounds)| (name.clone(), Common::median(rounds)))
            .collect();
        self.limits = (!limits.is_empty()).then(|| Limits::median(limits));
        self.create_session =
            (!create_session.is_empty()).then(|| CreateSession::median(create_session));
    }

    /// A table in Markdown, a column for each target.
    pub fn table(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        let names: Vec<&str> = self.targets.keys().map(String::as_str).collect();
        writeln!(out, "{}, {}\n", self.date, self.machine)?;
        writeln!(out, "| | {} |", names.join(" | "))?;
        writeln!(out, "| --- |{}", " ---: |".repeat(names.len()))?;
        let mut row = |what: &str, cell: &dyn Fn(&Common) -> Option<String>| {
            let cells = self
                .targets
                .values()
                .map(|it| cell(it).unwrap_or("–".into()));
            let cells: Vec<String> = cells.collect();
            writeln!(out, "| {what} | {} |", cells.join(" | "))
        };
        row("accepted webhooks/s", &|it| {
            Some(whole(it.throughput.as_ref()?.accepted_per_second))
        })?;
        row("rows/s", &|it| {
            Some(whole(it.throughput.as_ref()?.rows_per_second))
        })?;
        row("answer at that rate, p50 / p99 ms", &|it| {
            let times = it.throughput.as_ref()?.answers;
            Some(format!("{:.1} / {:.1}", times.p50, times.p99))
        })?;
        row("CPU of an event, ms", &|it| {
            let cpu = &it.throughput.as_ref()?.cpu_ms;
            Some(by_process(cpu, |ms| format!("{ms:.3}")))
        })?;
        row("CPU of an event in the servers, ms", &|it| {
            let cpu = &it.throughput.as_ref()?.servers_cpu_ms;
            (!cpu.is_empty()).then(|| by_process(cpu, |ms| format!("{ms:.3}")))
        })?;
        row("log of the database for an event, bytes", &|it| {
            it.throughput.as_ref()?.wal_bytes.map(whole)
        })?;
        row("answer at 200/s, p50 / p99 ms", &|it| {
            let times = it.steady.as_ref()?.answers;
            Some(format!("{:.1} / {:.1}", times.p50, times.p99))
        })?;
        row("visible row at 200/s, p50 / p99 ms", &|it| {
            let times = it.steady.as_ref()?.rows;
            Some(format!("{:.1} / {:.1}", times.p50, times.p99))
        })?;
        let spike = format!("webhooks/s without a worker, {SPIKE_CONNECTIONS} connections");
        row(&spike, &|it| {
            Some(whole(it.spike.as_ref()?.accepted_per_second))
        })?;
        row("confirms/s", &|it| {
            Some(whole(it.confirm.as_ref()?.per_second))
        })?;
        row("memory afterwards, MB", &|it| {
            Some(by_process(&it.memory_mb, |mb| format!("{mb:.0}")))
        })?;
        writeln!(out)?;
        self.alone(&mut out)?;
        Ok(out)
    }

    /// Lists what only the product was measured for, and its limits.
    fn alone(&self, out: &mut String) -> std::fmt::Result {
        if let Some(backlog) = &self.backlog {
            let (events, rate) = (backlog.events, whole(backlog.per_second));
            writeln!(out, "- A backlog of {events} events: {rate}/s")?;
            let (times, buyers) = (backlog.confirms, backlog.confirmed);
            let [p50, p99] = [times.p50, times.p99];
            writeln!(
                out,
                "- Meanwhile, from a confirm to the booking, {buyers} buyers: p50 {p50:.0}, p99 {p99:.0} ms"
            )?;
        }
        for waiting in &self.waiting {
            let (waiters, load) = (waiting.waiters, waiting.database_per_second);
            let last = waiting.answered.max;
            writeln!(
                out,
                "- {waiters} pages that wait: {load:.0} transactions/s; the last one answered \
                 {last:.0} ms after a worker came"
            )?;
        }
        if let Some(created) = &self.create_session {
            let rate = whole(created.per_second);
            let [p50, ours] = [created.answers.p50, created.ours_alone.p50];
            writeln!(
                out,
                "- Checkout Sessions, 64 at once at a Stripe of 50 ms: {rate}/s, p50 {p50:.1} ms; \
                 one at a time {ours:.1} ms of our own"
            )?;
        }
        if !self.memory_mb.is_empty() {
            let memory = by_process(&self.memory_mb, |mb| format!("{mb:.0}"));
            writeln!(out, "- Memory after all of that, MB: {memory}")?;
        }
        if let Some(limits) = &self.limits {
            writeln!(
                out,
                "- Limits: the broker confirms {}/s, and {}/s while it delivers them; the database commits \
                 {} bookings with payments a second in four round trips, {} in one, {} by 50",
                whole(limits.confirms),
                whole(limits.through),
                whole(limits.transactions),
                whole(limits.statements),
                whole(limits.batched),
            )?;
        }
        Ok(())
    }
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn by_process(values: &BTreeMap<&'static str, f64>, show: impl Fn(f64) -> String) -> String {
    let each = values
        .iter()
        .map(|(name, value)| format!("{name} {}", show(*value)));
    each.collect::<Vec<_>>().join(", ")
}
