//! `worker audit`

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use shared::db::recurring_job;
use time::OffsetDateTime;

use crate::{
    config::Config,
    operator::{
        audit::{self, Audit},
        command_line::{ago, context, environment, json, line, progress},
        words::counted,
    },
};

/// What is on its way when an audit begins has arrived after that.
const SECOND_LOOK: Duration = Duration::from_secs(10);

#[derive(Args)]
pub struct Arguments {
    /// How far back, such as 72h.
    #[arg(long, value_parser = ago, default_value = "30d")]
    since: OffsetDateTime,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = Config::from_env(&environment()?)?;
    let context = context(&config).await?;
    let watch = |audit: &Audit| progress(&format!("{} sessions", audit.sessions));
    let mut audit = audit::audit(&context, arguments.since, watch).await?;
    if !audit.differences.is_empty() {
        progress("differences; looking again in a moment");
        tokio::time::sleep(SECOND_LOOK).await;
        let second = audit::audit(&context, arguments.since, watch).await?;
        audit = audit::lasting(&audit, second);
    }
    progress("");
    if arguments.json {
        json(&audit)?;
    } else {
        line(audit.to_string().trim_end());
    }
    if audit.differences.is_empty() {
        // For the metric that says when this was last so.
        let now = (context.clock)();
        let noted = recurring_job::note_success(&context.db, recurring_job::AUDIT, now).await;
        if let Err(error) = noted {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "Cannot note that the books agree");
        }
    } else {
        let places = counted(audit.differences.len(), "place");
        bail!("the books differ in {places}");
    }
    Ok(())
}
