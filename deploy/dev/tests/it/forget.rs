//! A person is forgotten: no table says who it was, and the books agree.

use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement};
use shared::{db::dead_letter, message::Envelope, queue::Lane};
use stripe_sim::Outcome;
use testkit::Receiver;

use crate::{
    notifications::add_endpoint,
    operations::worker,
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![no_table_names_who_was_forgotten_and_the_books_agree];

/// Every table whose rows have any of `needles` in them, whatever the column is.
async fn tables_with(shop: &Shop, needles: &[&str]) -> Vec<String> {
    let db = &shop.stack.patient_db;
    let backend = db.get_database_backend();
    let tables = match backend {
        DbBackend::Postgres => {
            "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
        }
        _ => "SELECT name FROM sqlite_master WHERE type = 'table'",
    };
    let tables = db
        .query_all_raw(Statement::from_string(backend, tables))
        .await
        .unwrap();
    let mut found = Vec::new();
    for table in tables {
        let table: String = table.try_get("", "name").unwrap();
        let columns = match backend {
            DbBackend::Postgres => format!(
                "SELECT column_name AS name FROM information_schema.columns WHERE table_name = '{table}'"
            ),
            _ => format!("SELECT name FROM pragma_table_info('{table}')"),
        };
        let columns = db
            .query_all_raw(Statement::from_string(backend, columns))
            .await
            .unwrap();
        for column in columns {
            let column: String = column.try_get("", "name").unwrap();
            let text = match backend {
                DbBackend::Postgres => format!("\"{column}\"::text"),
                _ => format!("quote(\"{column}\")"),
            };
            let rows =
                format!("SELECT {text} AS text FROM \"{table}\" WHERE \"{column}\" IS NOT NULL");
            let rows = db
                .query_all_raw(Statement::from_string(backend, rows))
                .await
                .unwrap();
            for row in rows {
                let text: String = row.try_get("", "text").unwrap();
                let text = text.to_lowercase();
                // Bytes are shown in hexadecimal.
                let hex = |it: &str| {
                    let bytes = it.bytes();
                    bytes.fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
                };
                if needles
                    .iter()
                    .any(|it| text.contains(&it.to_lowercase()) || text.contains(&hex(it)))
                {
                    found.push(format!("{table}.{column}"));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

async fn forget(shop: &Shop, more: &[&str]) -> Result<String, String> {
    let output = worker(shop, &[&["forget", "ADA@example.com"], more].concat()).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

async fn no_table_names_who_was_forgotten_and_the_books_agree(stack: Stack) {
    let mut shop = Shop::open(stack).await;
    // An endpoint that answers 500, so that a delivery waits.
    let receiver = Receiver::start().await.unwrap();
    receiver.answer(500);
    add_endpoint(&shop, &receiver.url, &[]).await;
    let slot = shop.slot(5).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    shop.told(&session.id).await;
    let unpaid = shop.create(slot).await;
    let event = shop.stripe.events().pop().unwrap();
    let unreadable = Envelope {
        kind: Some("nothing".to_owned()),
        body: format!(
            r#"{{"email": "Ada@Example.com", "event": "{}"}}"#,
            event["id"]
        )
        .into(),
        ..session.confirm_job()
    };
    shop.publisher
        .publish(Lane::Events, &unreadable)
        .await
        .unwrap();
    eventually("one is set aside", async || {
        crate::queue::dead(&shop.stack).await == 1
    })
    .await;
    let needles = ["ada@example.com", "ada lovelace"];
    let before = tables_with(&shop, &needles).await;

    let open = forget(&shop, &[]).await.unwrap_err();
    shop.stripe.expire(&unpaid.id).unwrap();
    eventually("it has expired", async || {
        shop.confirm(&unpaid.id, 0).await.1["status"] == "expired"
    })
    .await;
    let booked = forget(&shop, &[]).await.unwrap_err();
    let letter = forget(&shop, &["--even-booked"]).await.unwrap_err();
    worker(&shop, &["dead", "discard", "--all", "--why", "a test"]).await;
    let dry = forget(&shop, &["--even-booked", "--dry-run"])
        .await
        .unwrap();
    assert_eq!(tables_with(&shop, &needles).await, before);
    shop.stop_workers().await;
    let done = worker(&shop, &["forget", "ADA@example.com", "--even-booked"]).await;
    let again = worker(&shop, &["forget", "ada@example.com", "--even-booked"]).await;

    assert!(open.contains("1 order can still be paid"), "{open}");
    assert!(booked.contains("still to come"), "{booked}");
    assert!(letter.contains("worker dead replay or discard"), "{letter}");
    assert!(
        dry.contains("2 orders") && dry.contains("would be"),
        "{dry}"
    );
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(!again.status.success(), "no row has the address any more");
    assert!(
        before.contains(&"checkout.customer_email".to_owned())
            && before.contains(&"outbox.document".to_owned())
    );
    assert_eq!(tables_with(&shop, &needles).await, Vec::<String>::new());
    let letters = dead_letter::Entity::find().all(&shop.stack.db).await;
    assert_eq!(letters.unwrap().len(), 1, "it stays, without what it said");
    let audit = worker(&shop, &["audit", "--since", "1d"]).await;
    assert!(
        audit.status.success(),
        "{}",
        String::from_utf8_lossy(&audit.stdout)
    );
    shop.close().await;
}
