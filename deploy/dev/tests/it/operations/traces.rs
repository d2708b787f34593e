//! Traces, read by a collector of the test's own: from the request over the queue to the commit, who is
//! told, and the answer.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use prost::Message as _;
use serde_json::json;
use shared::config::QueueSettings;
use stripe_sim::Outcome;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::worker;
use crate::{
    service::Service,
    shop::{Session, Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    one_trace_leads_from_the_request_to_who_is_told,
    a_collector_that_is_down_costs_nothing_but_spans,
];

/// Service and span.
type Received = Vec<(String, Span)>;

/// Takes what is sent to `/v1/traces`.
struct Collector {
    received: Arc<Mutex<Received>>,
    url: String,
    _server: AbortOnDropHandle<()>,
}

impl Collector {
    async fn start() -> Self {
        let received = Arc::<Mutex<Received>>::default();
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(received.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            received,
            url,
            _server: AbortOnDropHandle::new(server),
        }
    }

    /// The spans of `trace`.
    fn of(&self, trace: &str) -> Received {
        let received = self.received.lock().unwrap();
        let mine = received
            .iter()
            .filter(|(_, span)| hex(&span.trace_id) == trace);
        mine.cloned().collect()
    }
}

async fn take(State(received): State<Arc<Mutex<Received>>>, body: Bytes) -> StatusCode {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for of_service in request.resource_spans {
        let resource = of_service.resource.unwrap();
        let name = resource
            .attributes
            .iter()
            .find(|it| it.key == "service.name");
        let name = name.and_then(|it| it.value.clone()?.value);
        let Some(Value::StringValue(name)) = name else {
            panic!("a service without a name: {resource:?}");
        };
        let spans = of_service.scope_spans.into_iter().flat_map(|it| it.spans);
        received
            .lock()
            .unwrap()
            .extend(spans.map(|it| (name.clone(), it)));
    }
    StatusCode::OK
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |all, byte| format!("{all}{byte:02x}"))
}

fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    let attribute = span.attributes.iter().find(|it| it.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// Ingress and a worker, each with traces to `collector`, and where ingress is.
async fn start(shop: &Shop, collector: &str) -> (Service, Service, String) {
    let listen = format!("127.0.0.1:{}", testkit::free_port().unwrap());
    let mut variables = shop.variables();
    let ours = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("LISTEN_ADDR", &listen),
    ];
    variables.extend(ours.map(|(name, it)| (name, it.to_owned())));
    let worker = Service::start("worker", &variables);
    let ingress = Service::start("ingress", &variables);
    worker.wait_until_ready().await;
    ingress.wait_until_ready().await;
    (ingress, worker, format!("http://{listen}"))
}

async fn one_trace_leads_from_the_request_to_who_is_told(stack: Stack) {
    let collector = Collector::start().await;
    let shop = Shop::without_worker(stack).await;
    let (session, _) = shop.undelivered_payment().await;
    let (other, _) = shop.undelivered_payment().await;
    let nowhere = format!("http://127.0.0.1:{}/in", testkit::free_port().unwrap());
    let added = worker(&shop, &["endpoint", "add", &nowhere]).await;
    assert!(added.status.success(), "{added:?}");
    let (ingress, running, url) = start(&shop, &collector.url).await;

    let ask = async |session: &Session, traceparent: String| {
        let confirm = shop
            .http
            .post(format!("{url}/api/payment/confirm"))
            .header("traceparent", traceparent)
            .header("prefer", "wait=20")
            .json(&json!({ "session_id": session.id }));
        assert_eq!(confirm.send().await.unwrap().status(), StatusCode::OK);
    };
    let (trace, caller) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let left_out = "4bf92f3577b34da6a3ce929d0e0e4736";
    ask(&other, format!("00-{left_out}-{caller}-00")).await;
    ask(&session, format!("00-{trace}-{caller}-01")).await;

    let has_broker = matches!(shop.stack.queue, QueueSettings::RabbitMq { .. });
    let names = |spans: &Received| -> Vec<String> {
        let mut names: Vec<_> = spans.iter().map(|(_, it)| it.name.clone()).collect();
        names.sort_unstable();
        names
    };
    let mut expected = vec![
        "POST /api/payment/confirm",
        "commit",
        "deliver webhook",
        "process confirm",
        "send confirm",
    ];
    if has_broker {
        expected.push("send booking.confirmed");
        expected.sort_unstable();
    }
    eventually("all spans are there", async || {
        names(&collector.of(trace)) == expected
    })
    .await;
    // Its caller did not choose it.
    assert!(collector.of(left_out).is_empty());
    let spans = collector.of(trace);
    let one = |name: &str| spans.iter().find(|(_, it)| it.name == name).unwrap();
    let parent = |name: &str| hex(&one(name).1.parent_span_id);
    let id = |name: &str| hex(&one(name).1.span_id);
    assert_eq!(parent("POST /api/payment/confirm"), caller);
    assert_eq!(parent("send confirm"), id("POST /api/payment/confirm"));
    assert_eq!(parent("process confirm"), id("send confirm"));
    assert_eq!(parent("commit"), id("process confirm"));
    assert_eq!(parent("deliver webhook"), id("process confirm"));
    if has_broker {
        assert_eq!(parent("send booking.confirmed"), id("process confirm"));
    }
    let (service, request) = one("POST /api/payment/confirm");
    assert_eq!(service, "bookonce-ingress");
    assert_eq!(request.kind(), SpanKind::Server);
    assert_eq!(text(request, "http.route"), Some("/api/payment/confirm"));
    // The answer was waited for.
    assert!(request.end_time_unix_nano > one("commit").1.end_time_unix_nano);
    let (service, process) = one("process confirm");
    assert_eq!(service, "bookonce-worker");
    assert_eq!(process.kind(), SpanKind::Consumer);
    let system = if has_broker { "rabbitmq" } else { "bookonce" };
    assert_eq!(text(process, "messaging.system"), Some(system));
    let message = format!("confirm:{}", session.id);
    assert_eq!(text(process, "messaging.message.id"), Some(&*message));
    let deliver = &one("deliver webhook").1;
    assert_eq!(
        deliver.status.as_ref().map(|it| it.code),
        Some(2),
        "it failed"
    );
    let personal = format!("{spans:?}");
    assert!(!personal.contains('@'), "{personal}");

    ingress.terminate().await;
    running.terminate().await;
    shop.close().await;
}

async fn a_collector_that_is_down_costs_nothing_but_spans(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    let gone = format!("http://127.0.0.1:{}", testkit::free_port().unwrap());
    let (ingress, running, _) = start(&shop, &gone).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;

    shop.pay(&session, Outcome::Succeed).await;

    shop.wait_for_bookings(1).await;
    assert!(running.terminate().await.success());
    assert!(ingress.terminate().await.success());
    shop.close().await;
}

#[test]
fn an_endpoint_that_cannot_be_one_is_refused_in_one_line() {
    for wrong in ["localhost:4318", "grpc://127.0.0.1:4317", "collector"] {
        let mut command = crate::service::command("worker");
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", wrong);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {said}");
        assert!(said.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
