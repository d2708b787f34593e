//! `worker reconcile`

use anyhow::Context as _;
use clap::Args;
use shared::{
    clock,
    queue::{Patience, Publisher},
};
use time::OffsetDateTime;

use crate::{
    config::Config,
    operator::{
        command_line::{ago, context, environment, json, line, progress},
        words::{counted, wrapped},
    },
    reconcile::{Cursor, Part, Reconcile, Report},
};

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
        let opened = Publisher::open(
            &config.queue,
            &context.db,
            "worker reconcile",
            Patience::Wait,
        )
        .await;
        Some(opened.context("AMQP_URL")?)
    };
    let cursor = Cursor {
        started_at: clock::system(),
        sessions_since: arguments.since,
        events_since: arguments.since,
        part: Part::FIRST,
    };
    let mut run = Reconcile::new(&context, publisher.as_ref(), cursor);
    while run.next_page().await? {
        let report = &run.report;
        progress(&format!(
            "{} sessions, {} refunds, {} disputes, {} events",
            report.sessions, report.refunds, report.disputes, report.events
        ));
    }
    progress("");
    print(&arguments, &run.report)?;
    // What else there is was looked at.
    run.forbidden.map_or(Ok(()), |error| Err(error.into()))
}

fn print(arguments: &Arguments, report: &Report) -> anyhow::Result<()> {
    if arguments.json {
        return json(report);
    }
    let seen = format!(
        "{} ({} not ours), {}, {}, {} looked at",
        counted(report.sessions, "session"),
        report.foreign_sessions,
        counted(report.refunds, "refund"),
        counted(report.disputes, "dispute"),
        counted(report.events, "event"),
    );
    line(wrapped(&seen, 4));
    let missing = [
        report.missing_sessions,
        report.missing_refunds,
        report.missing_disputes,
        report.missing_events,
    ];
    if missing == [0; 4] {
        line("nothing is missing");
        return Ok(());
    }
    let missing = format!(
        "{}, {}, {} and, by their events, {} more {}",
        counted(report.missing_sessions, "session"),
        counted(report.missing_refunds, "refund"),
        counted(report.missing_disputes, "dispute"),
        report.missing_events,
        if arguments.dry_run {
            "not as Stripe has them"
        } else {
            "not as Stripe has them: asking Stripe is put on the queue"
        }
    );
    line(wrapped(&missing, 4));
    Ok(())
}
