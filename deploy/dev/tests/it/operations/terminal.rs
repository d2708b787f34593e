//! Commands on a terminal of 80 columns.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use shared::db::{offering, slot};
use stripe_sim::{Faults, Outcome};

use super::{command, worker};
use crate::{shop::Shop, stack::Stack};

/// Longer than a line.
const NAME: &str =
    "A walk through the old harbour with a lantern, stories of smugglers and soup at the end";

#[tokio::test(flavor = "multi_thread")]
async fn what_commands_print_fits_eighty_columns() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(5).await;
    let of_slot = slot::Entity::find_by_id(slot)
        .one(&shop.stack.db)
        .await
        .unwrap();
    let named = offering::Entity::update_many()
        .col_expr(offering::Column::Name, Expr::value(NAME))
        .filter(offering::Column::Id.eq(of_slot.unwrap().offering_id));
    named.exec(&shop.stack.patient_db).await.unwrap();
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    let url = "https://hooks.example.com/a/rather/long/path/that/leads/to/a/function/of/the/site";
    worker(&shop, &["endpoint", "add", url]).await;
    worker(&shop, &["slot", "close", &slot.to_string()]).await;

    let mut found = Vec::new();
    for arguments in [
        &["booking", "list"][..],
        &["booking", "find", "ada"],
        &["booking", "show", &session.id],
        &[
            "booking",
            "cancel",
            &session.id,
            "--why",
            "rain",
            "--dry-run",
        ],
        &["dead", "list"],
        &["slot", "list"],
        &["offering", "list"],
        &["endpoint", "list"],
        &["reconcile", "--since", "1h"],
        &["audit", "--since", "1h"],
        &["doctor"],
    ] {
        let said = worker(&shop, arguments).await.stdout;
        let said = String::from_utf8(said).unwrap();
        assert!(!said.is_empty(), "{arguments:?}");
        let too_long = said.lines().filter(|it| it.chars().count() > 80);
        // A word that is longer stays whole: it is to be copied.
        let too_long = too_long.filter(|it| it.trim().contains(' '));
        found.extend(too_long.map(|it| format!("{}: {it}", arguments.join(" "))));
    }
    assert!(found.is_empty(), "{found:#?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_work_says_how_far_it_has_come_on_a_terminal_alone() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(5).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    shop.stripe.set_faults(Faults {
        api_latency_ms: 400,
        ..Faults::default()
    });
    let audit = command(&shop, &["audit", "--since", "1h"]);
    let program = audit.get_program().to_str().unwrap().to_owned();
    let mut terminal = std::process::Command::new("script");
    terminal
        .args(["-qec", &format!("{program} audit --since 1h"), "/dev/null"])
        .envs(shop.variables())
        .env("TERM", "xterm");

    let on_terminal = tokio::task::spawn_blocking(move || terminal.output().unwrap());
    let on_terminal = String::from_utf8(on_terminal.await.unwrap().stdout).unwrap();
    let elsewhere = worker(&shop, &["audit", "--since", "1h"]).await;

    assert!(
        on_terminal.contains("1 session\u{1b}") || on_terminal.contains("1 session "),
        "{on_terminal:?}"
    );
    assert!(on_terminal.contains("no difference"), "{on_terminal:?}");
    assert!(elsewhere.stderr.is_empty(), "{elsewhere:?}");
    shop.close().await;
}
