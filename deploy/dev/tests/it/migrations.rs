//! The migrations on both engines.

use futures_util::future::join_all;
use sea_orm::{ConnectOptions, Database, EntityTrait, PaginatorTrait};
use secrecy::ExposeSecret;
use shared::{clock, db::offering};

use crate::stack::{Stack, on_each_stack};

on_each_stack![
    migrations_go_down_and_up_again,
    several_at_once_are_safe,
    the_catalogue_is_filled_once,
];

async fn migrations_go_down_and_up_again(stack: Stack) {
    let all = ::migrations::status(&stack.db).await.unwrap();
    let steps = u32::try_from(all.len()).unwrap();
    assert!(all.iter().all(|(_, applied)| *applied));

    ::migrations::down(&stack.db, 1).await.unwrap();
    let with_old_tables = shared::db::connect(&stack.database).await.unwrap_err();
    ::migrations::down(&stack.db, steps - 1).await.unwrap();
    let after_down = ::migrations::status(&stack.db).await.unwrap();
    let without_tables = shared::db::connect(&stack.database).await.unwrap_err();
    ::migrations::up(&stack.db, None).await.unwrap();

    assert!(after_down.iter().all(|(_, applied)| !applied));
    for refused in [with_old_tables, without_tables] {
        assert!(refused.to_string().contains("migrations up"), "{refused}");
    }
    assert_eq!(all.last().unwrap().0, shared::db::SCHEMA);
    assert_eq!(::migrations::status(&stack.db).await.unwrap(), all);
}

async fn several_at_once_are_safe(stack: Stack) {
    let steps = u32::try_from(::migrations::status(&stack.db).await.unwrap().len()).unwrap();
    ::migrations::down(&stack.db, steps).await.unwrap();

    let runs = (0..5).map(async |_| {
        let options = ConnectOptions::new(stack.database.url.expose_secret());
        let db = Database::connect(options).await.unwrap();
        ::migrations::up(&db, None).await
    });

    for outcome in join_all(runs).await {
        outcome.unwrap();
    }
}

async fn the_catalogue_is_filled_once(stack: Stack) {
    let first = ::migrations::catalogue::seed(&stack.db, clock::system())
        .await
        .unwrap();
    let second = ::migrations::catalogue::seed(&stack.db, clock::system())
        .await
        .unwrap();

    assert_eq!((first, second), (true, false));
    assert_eq!(offering::Entity::find().count(&stack.db).await.unwrap(), 5);
}
