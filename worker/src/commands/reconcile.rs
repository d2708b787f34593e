//! `worker reconcile`

use anyhow::Context as _;
use clap::Args;
use shared::{clock, queue::Publisher};
use time::OffsetDateTime;
use worker::{
    config::Config,
    reconcile::{Cursor, Part, Reconcile},
};

use super::{ago, context, environment, json, line, progress};

#[derive(Args)]
pub struct Arguments {
    /// How far back, such as 72h; Stripe keeps events for 30 days and sessions for ever.
    #[arg(long, value_parser = ago, default_value = "72h")]
    since: OffsetDateTime,
    /// Only count what is missing.
    #[arg(long)]
    dry_run: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = Config::from_env(&environment()?)?;
    let context = context(&config).await?;
    let publisher = if arguments.dry_run {
        None
    } else {
        let opened = Publisher::open(&config.queue, &context.db, "worker reconcile").await;
        Some(opened.context("AMQP_URL")?)
    };
    let since = arguments.since.unix_timestamp();
    let cursor = Cursor {
        started_at: clock::system(),
        sessions_since: since,
        events_since: since,
        part: Part::Sessions { after: None },
    };
    let mut run = Reconcile::new(&context, publisher.as_ref(), cursor);
    while run.next_page().await? {
        let (sessions, events) = (run.report().sessions, run.report().undelivered_events);
        progress(&format!("{sessions} sessions, {events} undelivered events"));
    }
    progress("");
    let report = run.report();
    if arguments.json {
        return json(report);
    }
    line(format!(
        "{} sessions, of which {} not ours; {} undelivered events",
        report.sessions, report.foreign_sessions, report.undelivered_events
    ));
    let verb = if arguments.dry_run {
        "missing"
    } else {
        "missing and put on the queue"
    };
    line(format!(
        "{} sessions and {} events {verb}",
        report.missing_sessions, report.missing_events
    ));
    Ok(())
}
