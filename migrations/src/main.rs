//! `migrations up|down|status|seed`

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand};
use sea_orm::{ConnectOptions, Database};
use secrecy::ExposeSecret;
use shared::{
    config::{DatabaseSettings, Env, QueueSettings},
    db, queue,
    service::exit::exit_code,
};

/// Creates and changes the tables of `DATABASE_URL` (postgres://… or sqlite://…),
/// in `DATABASE_SCHEMA` if it is set.
#[derive(Parser)]
#[command(name = "migrations", version, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Apply every migration that is missing. A missing SQLite file is created; with `AMQP_URL`, so are
    /// missing exchanges and queues.
    Up,
    /// Take back the last migration. Its tables are dropped, with what they hold.
    Down {
        /// How many to take back.
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// List the migrations and whether each is applied.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put example offerings into an empty catalogue.
    Seed,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    exit_code("migrations", run(cli.command).await)
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
#[expect(
    clippy::disallowed_methods,
    reason = "a program may ask for the time where it starts"
)]
async fn run(command: Command) -> anyhow::Result<()> {
    let env = Env::from_process();
    let database = DatabaseSettings::from_env(&env)?;
    let mut options = ConnectOptions::new(database.url.expose_secret());
    options
        .max_connections(1)
        .connect_timeout(Duration::from_secs(10))
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts({
            let create = matches!(command, Command::Up);
            move |sqlite| sqlite.create_if_missing(create)
        });
    if matches!(command, Command::Up) {
        db::create_private_file(&database).context("DATABASE_URL")?;
    }
    let db = Database::connect(options)
        .await
        .context("cannot connect to the database")?;
    match command {
        Command::Up => {
            let schema = database.schema.as_ref();
            let done = migrations::up(&db, schema).await;
            done.context("nothing was applied")?;
            // Who may not declare the queues finds them made.
            if env.get("AMQP_URL").is_some() {
                let queue = QueueSettings::from_env(&env, &database)?;
                queue::declare(&queue).await.context("AMQP_URL")?;
            }
        }
        Command::Down { steps } => {
            migrations::down(&db, steps)
                .await
                .context("nothing was taken back")?;
        }
        Command::Seed => {
            let now = time::OffsetDateTime::now_utc();
            let added = migrations::catalogue::seed(&db, now)
                .await
                .context("nothing was added")?;
            println!(
                "{}",
                if added {
                    "offerings added"
                } else {
                    "there are offerings already"
                }
            );
            return Ok(());
        }
        Command::Status { .. } => {}
    }
    let status = migrations::status(&db)
        .await
        .context("cannot read the status")?;
    if matches!(command, Command::Status { json: true }) {
        let rows: Vec<_> = status
            .iter()
            .map(|(name, applied)| serde_json::json!({ "name": name, "applied": applied }))
            .collect();
        println!("{}", serde_json::Value::from(rows));
    } else {
        for (name, applied) in status {
            println!("{} {name}", if applied { "applied" } else { "pending" });
        }
    }
    Ok(())
}
