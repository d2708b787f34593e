//! `worker booking show`: the story of one checkout, for support.

mod others;
mod print;
mod story;
mod told;

pub use self::story::{Story, story};

use clap::Subcommand;

use crate::operator::command_line::{self, database, environment, line};

#[derive(Subcommand)]
pub enum Command {
    /// Print the whole story of one: hold, payment, refunds, disputes, events.
    Show {
        /// A booking reference, or the id of a session (cs_), event (evt_), PaymentIntent (pi_),
        /// refund (re_), dispute (du_) or checkout.
        name: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(Command::Show { name, json }: Command) -> anyhow::Result<()> {
    let db = database(&environment()?).await?;
    let story = story(&db, &name).await?;
    if json {
        return command_line::json(&story.json());
    }
    line(story.to_string().trim_end());
    Ok(())
}
