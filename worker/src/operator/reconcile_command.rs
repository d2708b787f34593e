//! `worker reconcile`

use anyhow::{Context as _, ensure};
use clap::Args;
use shared::{
    clock,
    queue::{Patience, Publisher},
};
use time::OffsetDateTime;

use crate::{
    Context,
    config::Config,
    job_error::JobError,
    operator::{
        command_line::{ago, context, environment, json, line},
        progress::Progress,
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
    /// The database was restored: make holds anew that it lacks, from Stripe's sessions.
    #[arg(long)]
    restored: bool,
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
    let progress = Progress::looking();
    let watch = |report: &Report| progress.say(report.seen());
    let restored = arguments.restored.then_some(&config.origins[..]);
    let since = (arguments.since, restored);
    let run = reconcile_since(&context, publisher.as_ref(), since, watch).await?;
    drop(progress);
    if arguments.json {
        json(&run.report)?;
    } else {
        line(run.report.written(arguments.dry_run));
    }
    let beyond = run.report.beyond_restoring.len();
    ensure!(
        beyond == 0,
        "{} cannot be booked again",
        counted(beyond, "paid session")
    );
    // What else there is was looked at.
    run.forbidden.map_or(Ok(()), |error| Err(error.into()))
}

/// Compares everything since `since`.
///
/// - `publisher`: where to put what is missing; `None` only counts it.
/// - `since`: and, if the database was restored, where buyers of this shop come back to.
/// - `progress`: told after each page.
pub async fn reconcile_since<'a>(
    context: &'a Context,
    publisher: Option<&'a Publisher>,
    (since, restored): (OffsetDateTime, Option<&'a [String]>),
    mut progress: impl FnMut(&Report),
) -> Result<Reconcile<'a>, JobError> {
    let cursor = Cursor {
        started_at: clock::system(),
        sessions_since: since,
        events_since: since,
        part: Part::FIRST,
    };
    let mut run = Reconcile::new(context, publisher, cursor);
    if let Some(origins) = restored {
        run = run.after_a_restore(origins);
    }
    while run.next_page().await? {
        progress(&run.report);
    }
    Ok(run)
}

impl Report {
    /// How far it has come.
    pub(crate) fn seen(&self) -> String {
        format!(
            "{}, {}, {}, {}",
            counted(self.sessions, "session"),
            counted(self.refunds, "refund"),
            counted(self.disputes, "dispute"),
            counted(self.events, "event"),
        )
    }

    /// What it came to.
    pub(crate) fn written(&self, dry_run: bool) -> String {
        let seen = format!(
            "{} ({} not ours), {}, {}, {} looked at",
            counted(self.sessions, "session"),
            self.foreign_sessions,
            counted(self.refunds, "refund"),
            counted(self.disputes, "dispute"),
            counted(self.events, "event"),
        );
        let restored = match self.restored_holds {
            0 => String::new(),
            number => format!("{} of lost holds, ", counted(number, "session")),
        };
        let missing = if self.is_clean() {
            "nothing is missing".to_owned()
        } else {
            format!(
                "{restored}{}, {}, {} and, by their events, {} more {}",
                counted(self.missing_sessions, "session"),
                counted(self.missing_refunds, "refund"),
                counted(self.missing_disputes, "dispute"),
                self.missing_events,
                if dry_run {
                    "not as Stripe has them"
                } else {
                    "not as Stripe has them: asking Stripe is put on the queue"
                }
            )
        };
        let mut text = format!("{}\n{}", wrapped(&seen, 4), wrapped(&missing, 4));
        if !self.beyond_restoring.is_empty() {
            let number = counted(self.beyond_restoring.len(), "paid session");
            let beyond = format!(
                "{number} of a slot that is not here, or of another shop; if they are yours, refund them at Stripe:"
            );
            text = format!("{text}\n{}", wrapped(&beyond, 4));
            for id in &self.beyond_restoring {
                text = format!("{text}\n    {id}");
            }
        }
        text
    }
}
