//! Confirms: the buyer's page asks for a session that is booked.

use std::time::Duration;

use anyhow::ensure;
use hyper::StatusCode;
use serde::Serialize;

use crate::{
    closed_loop::{CONNECTIONS, closed_loop},
    event::Names,
    figures::{Times, median},
    target::Target,
};

const BUYERS: u32 = 5000;

#[derive(Debug, Clone, Serialize)]
pub struct Confirm {
    pub per_second: f64,
    pub answers: Times,
}

impl Confirm {
    pub fn median(runs: &[Self]) -> Self {
        Self {
            per_second: median(runs.iter().map(|it| it.per_second)),
            answers: Times::median(runs.iter().map(|it| it.answers)),
        }
    }
}

pub async fn confirm(target: &Target, time: Duration) -> anyhow::Result<Confirm> {
    let before = target.rows.count().await?;
    let generator = target.expect(BUYERS).await?;
    let posted = generator
        .as_fast_as_answered(CONNECTIONS, BUYERS, Duration::from_mins(1))
        .await?;
    target.rows.wait_for(before + posted.accepted).await?;
    let sessions: Vec<String> = (0..BUYERS)
        .map(|buyer| Names::of(generator.run, buyer).session)
        .collect();
    let (per_second, answers) = closed_loop(
        target.address,
        CONNECTIONS,
        time,
        async |connection, number| {
            let body = body(&sessions[number % sessions.len()]);
            let (status, _) = connection.post(PATH, None, body).await?;
            ensure!(status == StatusCode::OK, "confirm answered {status}");
            Ok(())
        },
    )
    .await?;
    Ok(Confirm {
        per_second,
        answers,
    })
}

pub(super) const PATH: &str = "/api/payment/confirm";

pub(super) fn body(session_id: &str) -> String {
    serde_json::json!({ "session_id": session_id }).to_string()
}
