//! What traces cost: throughput in turns with a collector, which takes everything and keeps nothing, and
//! without.

use std::{io::Write, path::Path};

use axum::{Router, body::Bytes, http::StatusCode, routing::post};
use testkit::{Servers, Variables};
use tokio::net::TcpListener;

use crate::{
    effort::Effort,
    measure::throughput::{throughput, warm_up},
    product::{Backing, Product},
};

/// Measures and prints.
pub async fn traced(servers: &Servers, folder: &Path, effort: Effort) -> anyhow::Result<()> {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector().await?);
    for _ in 0..effort.rounds {
        for how in ["without traces", "with traces"] {
            let is_traced = how == "with traces";
            let more: Variables = is_traced.then(|| endpoint.clone()).into_iter().collect();
            let mut product = Product::start_with(Backing::Servers(servers), folder, more).await?;
            warm_up(&product.target).await?;
            let measured = throughput(&product.target, effort.time).await?;
            let cpu: f64 = measured.cpu_ms.values().sum();
            writeln!(
                std::io::stdout(),
                "{:.0} accepted/s, {:.0} rows/s, {cpu:.3} ms of our CPU time each, {how}",
                measured.accepted_per_second,
                measured.rows_per_second,
            )?;
            product.stop().await?;
        }
    }
    Ok(())
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
