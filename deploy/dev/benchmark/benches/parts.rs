//! `cargo bench -p benchmark`: what the pure parts of the way of a webhook cost.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot run has to stop"
)]

#[path = "../src/event.rs"]
mod event;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use event::{Names, Template, signature};
use shared::{
    clock,
    config::{EndpointSecrets, Env},
    message::Envelope,
    stripe::{id::Mode, signature},
    traceparent::Traceparent,
};
use testkit::ENDPOINT_SECRET;

fn parts(criterion: &mut Criterion) {
    let body = Template::new().unwrap().body(&Names::of(1, 1));
    let header = signature(&body).unwrap();
    let bytes = Bytes::from(body.clone());
    let now = clock::system();
    let mut group = criterion.benchmark_group("webhook");
    group.throughput(Throughput::Bytes(u64::try_from(body.len()).unwrap()));

    group.bench_function("verify the signature", |bencher| {
        bencher.iter(|| {
            let payload = black_box(body.as_bytes());
            signature::verify(payload, &header, [ENDPOINT_SECRET], now.unix_timestamp()).unwrap();
        });
    });
    let trace = Traceparent::new();
    let envelope = || Envelope::stripe_event("evt_1", bytes.clone(), &header, now, &trace);
    group.bench_function("make the message", |bencher| bencher.iter(envelope));
    let message = envelope();
    let secret = (
        "STRIPE_WEBHOOK_SECRET".to_owned(),
        ENDPOINT_SECRET.to_owned(),
    );
    let secrets = EndpointSecrets::from_env(&Env::from_iter([secret])).unwrap();
    group.bench_function("check and read what it says", |bencher| {
        bencher.iter(|| worker::read_job(Mode::Test, &secrets, black_box(&message)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, parts);
criterion_main!(benches);
