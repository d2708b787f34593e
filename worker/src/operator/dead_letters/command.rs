//! `worker dead list|show|replay|discard`

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use sea_orm::DatabaseConnection;
use serde_json::json;
use shared::{
    clock,
    config::{DatabaseSettings, Env, QueueSettings},
    db::dead_letter,
    queue::{Patience, Publisher},
};
use uuid::Uuid;

use crate::operator::{
    command_line::{database, environment, json, line, operator_of, progress},
    dead_letters::{self, Filter, Letter, Statement, advice, printable},
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
    Replay(Action),
    /// Leave them alone for good. They stay in the table.
    Discard(Action),
}

#[derive(Args)]
pub struct Action {
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
        Command::Replay(action) => {
            let queue = QueueSettings::from_env(&env, &DatabaseSettings::from_env(&env)?)?;
            let publisher = Publisher::open(&queue, &db, "worker dead replay", Patience::Wait)
                .await
                .context("AMQP_URL")?;
            act(&env, &db, &action, Some(&publisher)).await
        }
        Command::Discard(action) => act(&env, &db, &action, None).await,
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
        let count: &mut usize = reasons.entry(letter.reason.clone()).or_default();
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
    let filter = Filter {
        ids: vec![id],
        resolved: true,
        ..Filter::default()
    };
    let row = dead_letters::list(db, &filter).await?.pop();
    let row = row.with_context(|| format!("there is no dead letter {id}"))?;
    let letter = Letter::from(&row);
    let text = String::from_utf8_lossy(&row.body);
    if as_json {
        let mut value = serde_json::to_value(&letter)?;
        if body {
            value["body"] = json!(text);
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
    }
    Ok(())
}

/// Replays through `publisher`, or discards.
async fn act(
    env: &Env,
    db: &DatabaseConnection,
    action: &Action,
    publisher: Option<&Publisher>,
) -> anyhow::Result<()> {
    ensure!(
        action.all || !action.which.is_unrestricted(),
        "say which: ids, --reason, --kind, --since or --all"
    );
    let letters = dead_letters::list(db, &action.which).await?;
    for id in &action.which.ids {
        ensure!(
            letters.iter().any(|letter| letter.id == *id),
            "{id} is not open, or not what the other filters say"
        );
    }
    let statement = Statement {
        by: operator_of(env, action.by.as_deref()),
        why: action.why.clone(),
    };
    let mut failed: usize = 0;
    for (index, letter) in letters.iter().enumerate() {
        if action.dry_run {
            continue;
        }
        progress(&format!("{index} of {}", letters.len()));
        let now = clock::system();
        let done = match publisher {
            Some(publisher) => dead_letters::replay(db, publisher, letter, &statement, now).await,
            None => dead_letters::discard(db, letter, &statement, now).await,
        };
        if let Err(error) = done {
            tracing::error!(error = error.chain(), letter = %letter.id, "Failed");
            failed = failed.saturating_add(1);
        }
    }
    progress("");
    report(action, &letters, publisher.is_some(), failed)
}

fn report(
    action: &Action,
    letters: &[dead_letter::Model],
    replay: bool,
    failed: usize,
) -> anyhow::Result<()> {
    let done = letters.len().saturating_sub(failed);
    if action.json {
        let ids: Vec<Uuid> = letters.iter().map(|letter| letter.id).collect();
        json(&json!({ "dry_run": action.dry_run, "letters": ids, "failed": failed }))?;
    } else {
        if action.dry_run {
            letters.iter().map(Letter::from).for_each(line);
        }
        let verb = match (action.dry_run, replay) {
            (true, true) => "would be replayed",
            (true, false) => "would be discarded",
            (false, true) => "replayed",
            (false, false) => "discarded",
        };
        line(format!("{done} {verb}"));
    }
    if failed > 0 {
        bail!("{failed} failed and are still open; try again");
    }
    Ok(())
}
