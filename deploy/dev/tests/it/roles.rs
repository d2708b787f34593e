//! Every program as a user of its own, who may do what it has to and nothing else.

use serde_json::Value;
use testkit::{Servers, Variables, folder};

use crate::{
    deployment::Deployment,
    service::{Service, run},
    stack::Stack,
};

/// The addresses with which a role and a user come.
fn with(servers: &Servers, role: &str, user: &str) -> Variables {
    let (_, database) = servers.postgres.url.split_once('@').unwrap();
    let (_, broker) = servers.broker.url.split_once('@').unwrap();
    Variables::from([
        (
            "DATABASE_URL",
            format!("postgres://bookonce_{role}@{database}"),
        ),
        (
            "AMQP_URL",
            format!("amqp://bookonce_{user}:bookonce@{broker}"),
        ),
    ])
}

/// What a program that was broken into cannot do.
fn each_is_refused_the_rest(servers: &Servers) {
    for (role, statement) in [
        ("ingress", "INSERT INTO booking DEFAULT VALUES"),
        ("ingress", "UPDATE payment SET status = 'paid'"),
        ("ingress", "DELETE FROM checkout"),
        ("ingress", "UPDATE offering SET name = ''"),
        ("audit", "UPDATE checkout SET quantity = 9"),
        ("worker", "DROP TABLE booking"),
        ("worker", "CREATE TABLE mine ()"),
    ] {
        let as_role = format!("SET ROLE bookonce_{role}; {statement}");
        let refused = servers.postgres.psql("postgres", &as_role).unwrap_err();
        let refused = format!("{refused:#}");
        assert!(
            refused.contains("permission denied") || refused.contains("must be owner"),
            "{refused}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_program_does_its_work_with_no_more_than_it_needs() {
    let folder = folder("roles").unwrap();
    let servers = Servers::start(folder.path()).unwrap();
    let (database, broker) = (servers.postgres.url.clone(), servers.broker.url.clone());
    servers.postgres.make_roles().unwrap();
    servers
        .broker
        .make_users(&["new.name", "bookonce"])
        .unwrap();
    let ours = |role: &str, user: &str| with(&servers, role, user);

    // Before the queues are there, who may not make them says what to do.
    let operator = ours("migrations", "operator");
    let only_tables = Variables::from([("DATABASE_URL", operator["DATABASE_URL"].clone())]);
    let up = run("migrations", &["up"], &only_tables).await;
    assert!(up.status.success(), "{up:?}");
    servers.postgres.make_roles().unwrap();
    let admin = Variables::from([("DATABASE_URL", database), ("AMQP_URL", broker)]);
    let mut shop = Deployment::new(Stack::on_servers(admin).await).await;
    let (base, as_) = (shop.variables.clone(), |role: &str, user: &str| {
        let mut all = shop.variables.clone();
        all.extend(ours(role, user));
        all
    });
    let ingress_as = as_("ingress", "ingress");
    let early = run("ingress", &["check"], &ingress_as).await;
    let complaint = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(
        !early.status.success() && complaint.contains("migrations up"),
        "{complaint}"
    );
    let up = run("migrations", &["up"], &operator).await;
    assert!(up.status.success(), "{up:?}");

    let worker_as = as_("worker", "worker");
    let (audit_as, doctor_as) = (as_("audit", "operator"), as_("worker", "operator"));
    let ingress = Service::start("ingress", &ingress_as);
    ingress.wait_until_ready().await;
    let worker = Service::start("worker", &worker_as);
    worker.wait_until_ready().await;
    let slot = shop.stack.slot(9).await;
    shop.buy(slot, 3).await;
    shop.wait_for_bookings(3).await;

    let listed = run("worker", &["booking", "list", "--json"], &worker_as).await;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let reference = listed[0]["reference"].as_str().unwrap();
    let cancel = [
        "booking", "cancel", reference, "--why", "rain", "--by", "ada",
    ];
    assert!(run("worker", &cancel, &worker_as).await.status.success());
    crate::shop::eventually("the books agree", async || {
        run("worker", &["audit", "--since", "1h"], &audit_as)
            .await
            .status
            .success()
    })
    .await;
    let doctor = run("worker", &["doctor", "--json"], &doctor_as).await;
    let findings: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    for check in ["database", "broker", "queue"] {
        let mut of_it = findings
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["check"] == check);
        assert!(of_it.all(|it| it["status"] == "ok"), "{findings}");
    }

    each_is_refused_the_rest(&servers);
    let mut consumer = base.clone();
    consumer.extend(with(&servers, "worker", "ingress"));
    let replay = run(
        "worker",
        &["dead", "replay", "--all", "--why", "to see"],
        &consumer,
    )
    .await;
    assert!(
        replay.status.success(),
        "who may publish work may replay: {replay:?}"
    );
    let thief = Service::start("worker", &consumer);
    let stays_out = async || !thief.is_ready().await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(stays_out().await, "it may not take a message");
    thief.kill();
    for service in [ingress, worker] {
        assert!(service.terminate().await.success());
    }
    shop.variables = base;
    shop.close().await;
}
