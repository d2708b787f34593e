//! `worker catalogue apply|export`

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};
use serde_json::json;
use shared::{
    clock,
    db::{self, Trouble, offering, slot},
    retry,
};

use crate::{
    catalogue::{self, ApplyError, Form, Problem},
    operator::{
        command_line::{self, database, environment, line},
        words::counted,
    },
};

/// Of a file.
const LARGEST: u64 = 10 * 1024 * 1024;
/// Between tries, if buyers were in the way.
const PAUSES: usize = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Problems that are printed.
const MOST_PROBLEMS: usize = 50;

#[derive(Subcommand)]
pub enum Command {
    /// Bring offerings and slots in line with a file, all of it or nothing. Twice changes nothing.
    Apply {
        /// A .toml or .csv file, or - for TOML on standard input.
        file: PathBuf,
        /// Only say what would change.
        #[arg(long)]
        dry_run: bool,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Print offerings and the slots to come as a file that leads to them again.
    Export {
        /// How it is written.
        #[arg(long, value_enum, default_value_t = Form::Toml)]
        format: Form,
    },
}

pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Apply {
            file,
            dry_run,
            json,
        } => apply(&file, dry_run, json).await,
        Command::Export { format } => export(format).await,
    }
}

async fn apply(file: &Path, dry_run: bool, as_json: bool) -> anyhow::Result<()> {
    // The file first: what is wrong with it needs no database.
    let form = match file.extension().and_then(|it| it.to_str()) {
        Some("csv") => Form::Csv,
        Some("toml") | None => Form::Toml,
        Some(_) => bail!("expected a .toml or .csv file"),
    };
    let text = read(file).with_context(|| file.display().to_string())?;
    let wanted = catalogue::parse(&text, form).and_then(catalogue::check);
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(problems) => return Err(refused(&problems)),
    };
    let db = database(&environment()?).await?;
    let pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE).take(PAUSES);
    let in_the_way = |error: &ApplyError| match error {
        ApplyError::Database(error) => db::trouble(error) == Trouble::Contention,
        ApplyError::InTheWay(_) => false,
    };
    let applied = retry::retry(pauses, in_the_way, || {
        catalogue::apply(&db, &wanted, clock::system(), dry_run)
    });
    let changes = match applied.await {
        Ok(changes) => changes,
        Err(ApplyError::InTheWay(problems)) => return Err(refused(&problems)),
        Err(ApplyError::Database(error)) => return Err(error).context("nothing is changed"),
    };
    if as_json {
        return command_line::json(&json!({
            "dry_run": dry_run,
            "changes": changes.lines,
            "begun": changes.begun,
        }));
    }
    changes.lines.iter().for_each(line);
    let (number, verb) = (
        counted(changes.lines.len(), "change"),
        if dry_run { "would be made" } else { "made" },
    );
    line(format!("{number} {verb}"));
    if changes.begun > 0 {
        let slots = counted(changes.begun, "slot");
        line(format!(
            "{slots} of the file left alone, as the time is past"
        ));
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(LARGEST).read_to_string(&mut text)?;
    } else {
        let file = std::fs::File::open(file)?;
        file.take(LARGEST).read_to_string(&mut text)?;
    }
    if u64::try_from(text.len()).is_ok_and(|it| it >= LARGEST) {
        bail!("is larger than 10 MiB");
    }
    Ok(text)
}

fn refused(problems: &[Problem]) -> anyhow::Error {
    let mut lines: Vec<String> = problems
        .iter()
        .take(MOST_PROBLEMS)
        .map(|it| format!("  {it}"))
        .collect();
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    if more > 0 {
        lines.push(format!("  and {}", counted(more, "more")));
    }
    let number = counted(problems.len(), "problem");
    anyhow::anyhow!("nothing is changed, {number}:\n{}", lines.join("\n"))
}

async fn export(form: Form) -> anyhow::Result<()> {
    let db = database(&environment()?).await?;
    let rows = rows(&db).await?;
    let text = match form {
        Form::Toml => catalogue::toml(&rows)?,
        Form::Csv => catalogue::csv(&rows)?,
    };
    line(text.trim_end());
    Ok(())
}

async fn rows(db: &DatabaseConnection) -> anyhow::Result<Vec<(offering::Model, Vec<slot::Model>)>> {
    let offerings = offering::Entity::find()
        .order_by_asc(offering::Column::Name)
        .all(db)
        .await?;
    let mut rows = Vec::with_capacity(offerings.len());
    for it in offerings {
        let slots = slot::Entity::find()
            .filter(slot::Column::OfferingId.eq(it.id))
            .filter(slot::Column::StartsAt.gt(clock::system()))
            .order_by_asc(slot::Column::StartsAt)
            .all(db)
            .await?;
        rows.push((it, slots));
    }
    Ok(rows)
}
