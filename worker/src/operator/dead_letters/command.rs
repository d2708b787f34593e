//! `worker dead list|show|replay|discard`

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use sea_orm::DatabaseConnection;
use serde_json::Value;
use shared::{
    config::{DatabaseSettings, Env, QueueSettings},
    queue::{Patience, Publisher},
};
use uuid::Uuid;

use crate::operator::{
    command_line::{database, environment, json, line, operator_of},
    dead_letters::{
        self, Filter, Letter, Statement,
        act::{Action, act, chosen, preview},
        advice, find, printable, redacted,
    },
    progress::Progress,
    words::wrapped,
};

#[derive(Subcommand)]
pub enum Command {
    /// List dead letters that are open, newest first, and what to do about each.
    List {
        #[command(flatten)]
        which: Filter,
        /// Also those that were replayed or discarded.
        #[arg(long)]
        all: bool,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one, whole.
    Show {
        /// Its id in the list.
        id: Uuid,
        /// With the body, which may hold a buyer's name and address.
        #[arg(long)]
        body: bool,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Put them on the queue again, as new. What was done is not done twice.
    Replay(Arguments),
    /// Leave them alone for good. They stay in the table.
    Discard(Arguments),
}

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Filter,
    /// All that are open, if nothing else says which.
    #[arg(long)]
    all: bool,
    /// Only say which it would be.
    #[arg(long)]
    dry_run: bool,
    /// Why; kept with each.
    #[arg(long)]
    why: String,
    /// Who; kept with each.
    #[arg(long)]
    by: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub async fn run(command: Command) -> anyhow::Result<()> {
    let env = environment()?;
    let db = database(&env).await?;
    match command {
        Command::List {
            which,
            all: resolved,
            json: as_json,
        } => list(&db, &Filter { resolved, ..which }, as_json).await,
        Command::Show {
            id,
            body,
            json: as_json,
        } => show(&db, id, body, as_json).await,
        Command::Replay(arguments) => {
            let queue = QueueSettings::from_env(&env, &DatabaseSettings::from_env(&env)?)?;
            let publisher = Publisher::open(&queue, &db, "worker dead replay", Patience::Wait)
                .await
                .context("AMQP_URL")?;
            decide(&env, &db, &arguments, &Action::Replay(publisher)).await
        }
        Command::Discard(arguments) => decide(&env, &db, &arguments, &Action::Discard).await,
    }
}

async fn list(db: &DatabaseConnection, filter: &Filter, as_json: bool) -> anyhow::Result<()> {
    let rows = dead_letters::list(db, filter).await?;
    let letters: Vec<Letter> = rows.iter().map(Letter::from).collect();
    if as_json {
        return json(&letters);
    }
    if letters.is_empty() {
        line("nothing waits; --all shows what was dealt with");
        return Ok(());
    }
    let mut reasons = BTreeMap::new();
    for letter in &letters {
        line(letter);
        let count: &mut usize = reasons.entry(printable(&letter.reason)).or_default();
        *count = count.saturating_add(1);
    }
    line("");
    for (reason, count) in reasons {
        let advice = format!("{count} {reason}: {}", advice(&reason));
        line(wrapped(&advice, 4));
    }
    Ok(())
}

async fn show(db: &DatabaseConnection, id: Uuid, body: bool, as_json: bool) -> anyhow::Result<()> {
    let row = find(db, id).await?;
    let letter = Letter::from(&row);
    let text = String::from_utf8_lossy(&row.body);
    if as_json {
        let mut value = serde_json::to_value(&letter)?;
        if body {
            value["body"] = Value::String(text.into_owned());
        }
        return json(&value);
    }
    line(&letter);
    line(format!("lane         {}", printable(&letter.lane)));
    for (name, value) in [
        ("detail", &letter.detail),
        ("source", &letter.source),
        ("traceparent", &letter.traceparent),
        ("resolved by", &letter.resolved_by),
        ("resolved why", &letter.resolved_why),
    ] {
        if let Some(value) = value {
            line(format!("{name:<12} {}", printable(value)));
        }
    }
    line(wrapped(&format!("what to do   {}", letter.advice), 13));
    if body {
        line(format!("body         {}", printable(&text)));
    } else if let Some(text) = redacted(&row.body) {
        line("body         as far as it is no person's; --body shows all of it");
        text.lines().for_each(|it| line(printable(it)));
    }
    Ok(())
}

async fn decide(
    env: &Env,
    db: &DatabaseConnection,
    arguments: &Arguments,
    action: &Action,
) -> anyhow::Result<()> {
    let letters = chosen(db, &arguments.which, arguments.all).await?;
    let acted = if arguments.dry_run {
        preview(&letters)
    } else {
        let statement = Statement {
            by: operator_of(env, arguments.by.as_deref()),
            why: arguments.why.clone(),
        };
        let progress = Progress::of(letters.len());
        let watch = |done| progress.done(done);
        act(db, &letters, action, &statement, watch).await
    };
    if arguments.json {
        json(&acted)?;
    } else {
        if arguments.dry_run {
            letters.iter().map(Letter::from).for_each(line);
        }
        line(action.said(&acted));
    }
    ensure!(
        acted.failed == 0,
        "{} failed and are still open",
        acted.failed
    );
    Ok(())
}
