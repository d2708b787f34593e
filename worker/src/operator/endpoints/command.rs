//! `worker endpoint add|list|remove|enable|disable|rotate|test|replay`

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use sea_orm::DatabaseConnection;
use serde_json::{Value, json};
use shared::clock;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    config,
    notifications::webhook::WebhookClient,
    operator::{
        command_line::{self, ago, database, environment, line},
        endpoints::{
            self,
            replay::{Which, replay},
            view::View,
        },
        words::{counted, moment},
    },
};

/// How long both secrets sign, unless `--keep-old` says otherwise.
const BOTH: &str = "24h";

#[derive(Subcommand)]
pub enum Command {
    /// Have notifications posted to an URL, and print the secret they are signed with.
    Add {
        /// https://…, or http://… in a network named in `ENDPOINT_NETWORKS`.
        url: String,
        /// Only of this type, such as booking.confirmed. May be given several times.
        #[arg(long = "type", value_name = "TYPE")]
        types: Vec<String>,
        /// A secret of the receiver's own: whsec_ and 24 to 64 bytes in base64.
        #[arg(long)]
        secret: Option<String>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// List endpoints, and how it stands with each.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Tell it nothing more, and forget what waits for it.
    Remove {
        /// ep_…
        id: String,
    },
    /// Tell it again, of what it missed first.
    Enable {
        /// ep_…
        id: String,
    },
    /// Tell it nothing for now. What happens is kept for it.
    Disable {
        /// ep_…
        id: String,
    },
    /// Give it a new secret, and print it. The old one signs as well for a while.
    Rotate {
        /// ep_…
        id: String,
        /// How long the old one signs as well.
        #[arg(long, default_value = BOTH, value_name = "TIME")]
        keep_old: humantime::Duration,
        /// A secret of the receiver's own.
        #[arg(long)]
        secret: Option<String>,
    },
    /// Post a notification of nothing, and print the answer.
    Test {
        /// ep_…
        id: String,
    },
    /// Tell it again what it was told: by id, by time, or what was given up.
    Replay(Replay),
}

#[derive(Args)]
pub struct Replay {
    /// ep_…
    id: String,
    /// This notification. May be given several times.
    #[arg(long = "notification", value_name = "ID")]
    notifications: Vec<Uuid>,
    /// What happened in this time, such as 2h.
    #[arg(long, value_parser = ago, value_name = "TIME")]
    since: Option<OffsetDateTime>,
    /// But not in this, such as 1h.
    #[arg(long, value_parser = ago, value_name = "TIME")]
    until: Option<OffsetDateTime>,
    /// Only what was given up.
    #[arg(long)]
    failed: bool,
    /// Only say how much it would be.
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(command: Command) -> anyhow::Result<()> {
    let env = environment()?;
    let webhooks = config::webhooks(&env)?;
    let db = database(&env).await?;
    let now = clock::system();
    match command {
        Command::Add {
            url,
            types,
            secret,
            json: as_json,
        } => {
            let added = endpoints::add(&db, &webhooks, (&url, types, secret), now).await?;
            let secret = added.secrets_at(now).next().unwrap_or_default();
            if as_json {
                return command_line::json(&json!({ "id": added.id, "secret": secret }));
            }
            line(format!("{}  {}", added.id, added.url));
            line(format!("secret  {secret}"));
            line("It is not shown again.");
            line(format!("Try it: worker endpoint test {}", added.id));
            Ok(())
        }
        Command::List { json: as_json } => list(&db, as_json).await,
        Command::Remove { id } => {
            let waiting = endpoints::remove(&db, &id).await?;
            line(format!(
                "{id} removed, {} forgotten",
                counted(waiting, "notification")
            ));
            Ok(())
        }
        Command::Enable { id } => {
            endpoints::switch(&db, &id, true, now).await?;
            line(format!("{id} is told again, of what it missed first"));
            Ok(())
        }
        Command::Disable { id } => {
            endpoints::switch(&db, &id, false, now).await?;
            line(format!(
                "{id} is told nothing until: worker endpoint enable {id}"
            ));
            Ok(())
        }
        Command::Rotate {
            id,
            keep_old,
            secret,
        } => {
            let keep_old = time::Duration::try_from(*keep_old).context("--keep-old")?;
            let end = now.checked_add(keep_old).context("--keep-old")?;
            let secret = endpoints::rotate(&db, &id, secret, (now, end)).await?;
            line(format!("secret  {secret}"));
            line(format!("The old one signs as well until {}.", moment(end)));
            Ok(())
        }
        Command::Test { id } => test(&db, &webhooks, &id, now).await,
        Command::Replay(which) => replay_some(&db, which, now).await,
    }
}

async fn list(db: &DatabaseConnection, as_json: bool) -> anyhow::Result<()> {
    let views = View::all(db).await?;
    if as_json {
        return command_line::json(&views.iter().map(View::json).collect::<Value>());
    }
    if views.is_empty() {
        line("there is no endpoint; worker endpoint add https://… makes one");
    }
    for text in views.iter().flat_map(View::lines) {
        line(text);
    }
    Ok(())
}

async fn test(
    db: &DatabaseConnection,
    webhooks: &WebhookClient,
    id: &str,
    now: OffsetDateTime,
) -> anyhow::Result<()> {
    let status = endpoints::test(db, webhooks, id, now).await?;
    line(format!("answered {status}"));
    Ok(())
}

async fn replay_some(
    db: &DatabaseConnection,
    replay_: Replay,
    now: OffsetDateTime,
) -> anyhow::Result<()> {
    let which = Which {
        ids: replay_.notifications,
        since: replay_.since,
        until: replay_.until,
        failed: replay_.failed,
    };
    let says_nothing = which.ids.is_empty() && which.since.is_none() && !which.failed;
    ensure!(
        !says_nothing,
        "say what: --notification ID, --since TIME or --failed"
    );
    let endpoint = endpoints::find(db, &replay_.id).await?;
    let count = replay(db, &endpoint, &which, (now, replay_.dry_run)).await?;
    let verb = if replay_.dry_run {
        "would be told"
    } else {
        "is told"
    };
    line(format!(
        "{} {verb} of {}",
        endpoint.id,
        counted(count, "notification")
    ));
    Ok(())
}
