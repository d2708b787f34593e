//! `worker audit`

use anyhow::bail;
use clap::Args;
use time::OffsetDateTime;

use crate::{
    config::Config,
    operator::{
        audit::{self, Audit},
        command_line::{ago, context, environment, json, line},
        progress::Progress,
        words::counted,
    },
};

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
    let progress = Progress::looking();
    let watch = |audit: &Audit| progress.say(counted(audit.sessions, "session"));
    let audit = audit::audit_twice(&context, arguments.since, watch).await?;
    drop(progress);
    if arguments.json {
        json(&audit)?;
    } else {
        line(audit.to_string().trim_end());
    }
    if !audit.differences.is_empty() {
        let places = counted(audit.differences.len(), "place");
        bail!("the books differ in {places}");
    }
    Ok(())
}
