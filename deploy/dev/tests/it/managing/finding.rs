//! List and find.

use serde_json::Value;
use time::{OffsetDateTime, macros::format_description};

use super::{book, say, slot_of};
use crate::{
    shop::Shop,
    stack::{Stack, on_each_stack},
};

on_each_stack![from_an_address_to_the_command_to_type];

async fn from_an_address_to_the_command_to_type(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(9).await;
    let (session, reference) = book(&shop, slot).await;
    let (_, other) = book(&shop, slot).await;
    let unpaid = shop.create(slot).await;
    let list = async |more: &[&str]| {
        let arguments = [&["booking", "list"], more].concat();
        say(&shop, &arguments).await.unwrap()
    };
    let begins: OffsetDateTime = slot_of(&shop, slot).await.starts_at;
    // Where it takes place it may be another day than in UTC.
    let in_berlin = berlin_date(begins);

    for word in [
        "ADA@example.com",
        "ada love",
        &reference.to_lowercase(),
        &reference.replace('-', ""),
        &session.id,
    ] {
        let found = say(&shop, &["booking", "find", word]).await.unwrap();
        let next = format!("worker booking show {reference}");
        assert!(found.contains(&next), "{word}: {found}");
        assert!(found.contains("49.00 EUR") && found.lines().all(|it| it.chars().count() <= 80));
    }
    let found = say(&shop, &["booking", "find", "ada@example.com"])
        .await
        .unwrap();
    assert!(found.contains("not booked, open"), "{found}");
    let nothing = say(&shop, &["booking", "find", "100%_"]).await;
    assert!(nothing.unwrap_err().contains("nothing here has"));

    let all = list(&[]).await;
    assert!(all.contains(&reference) && all.contains(&other) && !all.contains(&unpaid.id));
    for (filter, number) in [
        (vec!["--status", "confirmed"], 2),
        (vec!["--status", "cancelled"], 0),
        (vec!["--slot", &slot.to_string()], 2),
        (vec!["--day", &in_berlin], 2),
        (vec!["--day", "2020-01-01"], 0),
        (vec!["--since", "1h"], 2),
        (vec!["--text", "lovelace"], 2),
        (vec!["--text", &other], 1),
        (vec!["--reason", "no_seats"], 0),
        (vec!["--limit", "1"], 1),
    ] {
        let rows = list(&[&filter[..], &["--json"]].concat()).await;
        let rows: Value = serde_json::from_str(&rows).unwrap();
        assert_eq!(rows.as_array().unwrap().len(), number, "{filter:?}");
    }
    let csv = list(&["--csv"]).await;
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("reference,status,reason,what,"));
    assert!(
        lines[1].starts_with(&format!("{other},confirmed,,Harbour kayak tour,")),
        "{csv}"
    );
    let wrong = say(&shop, &["booking", "list", "--status", "bogus"]).await;
    assert!(wrong.unwrap_err().contains("expected confirmed"));
    shop.close().await;
}

/// In Berlin, which is an hour or two ahead.
fn berlin_date(at: OffsetDateTime) -> String {
    let hours = if (4..=10).contains(&u8::from(at.month())) {
        2
    } else {
        1
    };
    let there = at.saturating_add(time::Duration::hours(hours));
    there
        .format(format_description!("[year]-[month]-[day]"))
        .unwrap()
}
