//! What people watch with says what the services do: the table of metrics, alerts with their pages, and the
//! dashboard.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::Value;
use shared::service::metrics::{self, Kind, Metric};
use stripe_sim::Outcome;

use super::start_worker;
use crate::{
    service::{self, Service},
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![what_is_measured_stands_in_the_table];

fn deploy(path: &str) -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.join("../..").join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(deploy(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The labels of a line of `/metrics`, but for the bounds of a histogram.
fn labels(line: &str) -> BTreeSet<&str> {
    let inside = line
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    let pairs = inside.map_or("", |(pairs, _)| pairs).split(',');
    let names = pairs.filter_map(|pair| pair.split_once('=')).map(|it| it.0);
    names.filter(|name| *name != "le").collect()
}

/// Of each metric on a page of `/metrics`, its type and labels.
fn on_page(page: &str) -> BTreeMap<&str, (&str, BTreeSet<&str>)> {
    let mut found = BTreeMap::new();
    let mut current = None;
    for line in page.lines() {
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').unwrap();
            found.insert(name, (kind, BTreeSet::new()));
            current = Some(name);
        } else if let Some(name) = current
            && line.starts_with(name)
        {
            found.get_mut(name).unwrap().1.extend(labels(line));
        }
    }
    found
}

fn row(metric: &Metric) -> String {
    let labels: Vec<_> = metric.labels.iter().map(|it| format!("`{it}`")).collect();
    let (name, kind) = (metric.name, metric.kind.as_str());
    format!(
        "| `{name}` | {kind} | {} | {} |",
        labels.join(", "),
        metric.about
    )
}

async fn what_is_measured_stands_in_the_table(stack: Stack) {
    let table = text("docs/metrics.md");
    let rows: Vec<_> = table
        .lines()
        .filter(|it| it.starts_with("| `bookonce_"))
        .collect();
    assert_eq!(rows, metrics::ALL.iter().map(row).collect::<Vec<_>>());

    let shop = Shop::without_worker(stack).await;
    let worker = start_worker(&shop);
    let ingress = Service::start("ingress", &shop.variables());
    worker.wait_until_ready().await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    eventually("the gauges are read", async || {
        let page = worker.get("/metrics").await;
        page.is_some_and(|(_, page)| page.contains("bookonce_deliveries_waiting "))
    })
    .await;
    let (_, theirs) = worker.get("/metrics").await.unwrap();
    eventually("ingress answers", async || ingress.is_ready().await).await;
    let (_, ours) = ingress.get("/metrics").await.unwrap();

    for page in [&theirs, &ours] {
        let found = on_page(page);
        assert!(!found.is_empty(), "{page}");
        for (name, (kind, labels)) in found {
            let listed = metrics::ALL.iter().find(|it| it.name == name);
            let listed = listed.unwrap_or_else(|| panic!("{name} is not listed"));
            assert_eq!(kind, listed.kind.as_str(), "{name}");
            assert_eq!(labels, listed.labels.iter().copied().collect(), "{name}");
        }
    }
    for of_a_worker in ["bookonce_jobs_total", "bookonce_queue_messages_ready"] {
        assert!(on_page(&theirs).contains_key(of_a_worker), "{theirs}");
    }
    worker.terminate().await;
    shop.close().await;
}

/// Every name in `queries` is that of a metric, with the ending that its kind has.
fn check_names(queries: &str) -> BTreeSet<&'static str> {
    let words = queries.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    let mut used = BTreeSet::new();
    for word in words.filter(|it| it.starts_with("bookonce_")) {
        let is_it = |metric: &&Metric| match metric.kind {
            Kind::Histogram => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|ending| word.strip_suffix(ending) == Some(metric.name)),
            Kind::Counter | Kind::Gauge => word == metric.name,
        };
        let metric = metrics::ALL.iter().find(is_it);
        used.insert(metric.unwrap_or_else(|| panic!("{word} is no metric")).name);
    }
    used
}

#[test]
fn alerts_ask_for_metrics_that_there_are() {
    assert!(check_names(&text("prometheus/alerts.yaml")).len() > 10);
}

#[test]
fn the_dashboard_shows_every_metric() {
    let dashboard: Value = serde_json::from_str(&text("grafana/bookonce.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|it| it["targets"].as_array());
    let queries: Vec<_> = targets
        .flatten()
        .map(|it| it["expr"].as_str().unwrap())
        .collect();

    let used = check_names(&queries.join("\n"));

    let all: BTreeSet<_> = metrics::ALL.iter().map(|it| it.name).collect();
    assert_eq!(used, all);
    let mut ids: Vec<_> = panels.iter().map(|it| it["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(
        ids.len(),
        panels.len(),
        "Grafana takes one of a number only"
    );
}

#[test]
fn each_alert_has_a_page_that_begins_with_a_command() {
    let alerts = text("prometheus/alerts.yaml");
    let names = alerts
        .lines()
        .filter_map(|it| it.trim().strip_prefix("- alert: "));
    let names: BTreeSet<_> = names.map(str::to_owned).collect();
    let pages = std::fs::read_dir(deploy("docs/runbook")).unwrap();
    let pages = pages.map(|it| it.unwrap().file_name().into_string().unwrap());
    let pages: BTreeSet<_> = pages
        .map(|it| it.trim_end_matches(".md").to_owned())
        .collect();
    assert_eq!(names, pages);

    let operate = text("docs/operate.md");
    for name in names {
        let page = format!("docs/runbook/{name}.md");
        assert!(
            alerts.contains(&format!("runbook: deploy/{page}")),
            "{name}"
        );
        assert!(operate.contains(&format!("runbook/{name}.md")), "{name}");
        let page = text(&page);
        let begin = format!("# {name}\n\n```sh\nworker ");
        let command = page.strip_prefix(&begin).and_then(|it| it.lines().next());
        let command = command.unwrap_or_else(|| panic!("{name} does not begin with a command"));
        let mut words: Vec<_> = command.split_whitespace().collect();
        words.push("--help");
        let help = service::command("worker").args(&words).output().unwrap();
        assert!(help.status.success(), "{name}: worker {command}");
    }
}
