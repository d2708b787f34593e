//! `worker booking show`

#![expect(
    missing_docs,
    clippy::missing_errors_doc,
    reason = "a doc comment here is a help text of the command line"
)]

use clap::Subcommand;

use crate::operator::{
    booking_show,
    command_line::{database, environment, json, line},
};

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

pub async fn run(
    Command::Show {
        name,
        json: as_json,
    }: Command,
) -> anyhow::Result<()> {
    let db = database(&environment()?).await?;
    let story = booking_show::story(&db, &name).await?;
    if as_json {
        return json(&story.json());
    }
    line(story.to_string().trim_end());
    Ok(())
}
