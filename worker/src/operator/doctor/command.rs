//! `worker doctor`

use anyhow::bail;
use clap::Args;

use crate::{
    config::Config,
    operator::{
        command_line::{environment, json, line},
        doctor::{self, Status, create_endpoint},
        words::counted,
    },
};

#[derive(Args)]
pub struct Arguments {
    /// For programs.
    #[arg(long)]
    json: bool,
    /// Make the endpoint of `PUBLIC_URL` at Stripe, and print its secret; look at nothing.
    #[arg(long)]
    create_webhook_endpoint: bool,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let env = environment()?;
    if arguments.create_webhook_endpoint {
        return create_endpoint::run(&env, arguments.json).await;
    }
    let config = Config::from_env(&env)?;
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
