//! What traces cost: throughput in turns with a collector, which takes everything and keeps nothing, and
//! without.

use std::{collections::BTreeMap, io::Write, path::Path};

use axum::{Router, body::Bytes, http::StatusCode, routing::post};
use testkit::Servers;
use tokio::net::TcpListener;

use crate::{
    effort::Effort,
    figures::mean,
    measure::throughput::{throughput, warm_up},
    product::{Backing, Product},
};

/// Measures and prints.
///
/// Both run all the time, and the load goes from one to the other and back: what the machine does beside
/// changes from minute to minute, and a pair of turns lies within seconds.
pub async fn traced(servers: &Servers, folder: &Path, effort: Effort) -> anyhow::Result<()> {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector().await?);
    let backing = Backing::Servers(servers);
    let mut without = Product::start(backing, folder).await?;
    let mut with = Product::start_with(backing, folder, [endpoint].into()).await?;
    warm_up(&without.target).await?;
    warm_up(&with.target).await?;

    let (mut rates, mut cpu) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds {
        let mut turns = [("without traces", &without), ("with traces", &with)];
        // Who is second finds tables that have grown.
        if !round.is_multiple_of(2) {
            turns.reverse();
        }
        let mut pair = BTreeMap::new();
        for (how, product) in turns {
            let measured = throughput(&product.target, effort.time).await?;
            let cpu: f64 = measured.cpu_ms.values().sum();
            writeln!(
                std::io::stdout(),
                "{:.0} accepted/s, {:.0} rows/s, {cpu:.3} ms of our CPU time each, {how}",
                measured.accepted_per_second,
                measured.rows_per_second,
            )?;
            pair.insert(how, (measured.rows_per_second, cpu));
        }
        let (without, with) = (pair["without traces"], pair["with traces"]);
        rates.push(with.0 / without.0);
        cpu.push(with.1 / without.1);
    }
    for (what, ratios) in [("rows/s", rates), ("CPU time", cpu)] {
        let (mean, error) = mean(&ratios);
        writeln!(
            std::io::stdout(),
            "{what} with traces: {mean:.3} of what it is without, standard error {error:.3}"
        )?;
    }
    with.stop().await?;
    without.stop().await
}

/// Starts it, for as long as the process lives, and returns its URL.
async fn collector() -> anyhow::Result<String> {
    let take = async |_body: Bytes| StatusCode::OK;
    let router = Router::new().route("/v1/traces", post(take));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}
