//! The buyer's page asks for a session that is booked.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use hyper::StatusCode;
use serde::Serialize;
use tokio::task::JoinSet;

use super::{CONNECTIONS, Effort};
use crate::{
    event::Names,
    figures::{Times, median, per_second},
    http::Connection,
    target::Target,
};

const BUYERS: u32 = 5000;

#[derive(Debug, Serialize)]
pub struct Confirm {
    pub per_second: f64,
    pub answers: Times,
}

pub async fn confirm(target: &Target, effort: Effort) -> anyhow::Result<Confirm> {
    let before = target.rows.count().await?;
    let generator = target.expect(BUYERS).await?;
    let posted = generator
        .as_fast_as_answered(CONNECTIONS, BUYERS, Duration::from_mins(1))
        .await?;
    target.rows.wait_for(before + posted.accepted).await?;
    let sessions: Arc<Vec<String>> = Arc::new(
        (0..BUYERS)
            .map(|buyer| Names::of(generator.run, buyer).session)
            .collect(),
    );

    let (mut rates, mut answers) = (vec![], vec![]);
    for _ in 0..effort.runs {
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..CONNECTIONS {
            let mut connection = Connection::open(target.address).await?;
            let sessions = sessions.clone();
            tasks.spawn(async move {
                let mut times = Vec::new();
                for session in sessions.iter().cycle().skip(number * 100) {
                    let began = Instant::now();
                    if start.elapsed() > effort.time {
                        break;
                    }
                    let (status, _) = connection.post(PATH, None, body(session)).await?;
                    ensure!(status == StatusCode::OK, "confirm answered {status}");
                    times.push(began.elapsed());
                }
                Ok(times)
            });
        }
        let mut times = Vec::new();
        while let Some(more) = tasks.join_next().await {
            times.extend(more??);
        }
        rates.push(per_second(times.len(), start.elapsed()));
        answers.push(Times::of(times));
    }
    Ok(Confirm {
        per_second: median(rates),
        answers: Times::median(&answers),
    })
}

pub(super) const PATH: &str = "/api/payment/confirm";

pub(super) fn body(session_id: &str) -> String {
    serde_json::json!({ "session_id": session_id }).to_string()
}
