//! `worker doctor`

use anyhow::bail;
use clap::Args;

use crate::{
    config::Config,
    operator::{
        command_line::{environment, json, line},
        doctor::{self, Status},
        words::counted,
    },
};

#[derive(Args)]
pub struct Arguments {
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = Config::from_env(&environment()?)?;
    let findings = doctor::examine(&config).await;
    if arguments.json {
        json(&findings)?;
    } else {
        findings.iter().for_each(line);
    }
    let failed = findings.iter().filter(|it| it.status == Status::Failed);
    match failed.count() {
        0 => Ok(()),
        count => bail!("{} failed", counted(count, "check")),
    }
}
