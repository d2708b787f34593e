//! The migrations on both engines.

use futures_util::future::join_all;
use sea_orm::{
    ActiveModelTrait, ConnectOptions, ConnectionTrait, Database, EntityTrait, PaginatorTrait,
};
use secrecy::ExposeSecret;
use shared::{
    clock,
    db::{offering, resource, slot},
};
use uuid::Uuid;

use crate::stack::{Stack, on_each_stack};

on_each_stack![
    migrations_go_down_and_up_again,
    several_at_once_are_safe,
    what_older_tables_cannot_hold_keeps_them_from_coming_back,
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

/// A slot of a resource, and one of nothing, which no table holds.
async fn what_older_tables_cannot_hold_keeps_them_from_coming_back(stack: Stack) {
    let steps = |name: &str, all: &[(String, bool)]| {
        let place = all.iter().position(|(it, _)| it.contains(name)).unwrap();
        u32::try_from(all.len() - place).unwrap()
    };
    let all = ::migrations::status(&stack.db).await.unwrap();
    let back = steps("site_checkouts", &all);
    let old = stack.slot(5).await;
    let insert = async |resource_key: Option<&str>| {
        let row = slot::Model {
            id: Uuid::now_v7(),
            offering_id: None,
            resource_key: resource_key.map(str::to_owned),
            ..slot_of(&stack, old).await
        };
        let row = slot::ActiveModel::from(row).reset_all();
        let inserted = slot::Entity::insert(row).exec_without_returning(&stack.db);
        inserted.await
    };
    // Another program that was there before.
    let options = ConnectOptions::new(stack.database.url.expose_secret());
    let beside = Database::connect(options).await.unwrap();
    assert_eq!(slot::Entity::find().count(&beside).await.unwrap(), 1);
    ::migrations::down(&stack.db, back).await.unwrap();
    let too_old = beside
        .execute_unprepared("UPDATE slot SET offering_id = NULL")
        .await;
    ::migrations::up(&stack.db, None).await.unwrap();

    assert!(too_old.is_err(), "a slot is of an offering there");
    let one = resource::Model {
        key: "room 7".to_owned(),
        capacity: 1,
    };
    resource::note(&stack.db, one).await.unwrap();
    insert(Some("room 7")).await.unwrap();
    let of_nothing = insert(None).await.unwrap_err();
    let message = of_nothing.to_string();
    assert!(
        message.contains("slot_of_either_check") || message.contains("or a resource_key"),
        "{message}"
    );
    // A slot of a resource without a checkout is deleted on the way.
    ::migrations::down(&stack.db, back).await.unwrap();
    ::migrations::up(&stack.db, None).await.unwrap();
    assert_eq!(slot::Entity::find().count(&beside).await.unwrap(), 1);
    let sold = "INSERT INTO checkout (id, quantity, amount_minor_units, currency, customer_name, customer_email, \
         state, seats_held, created_at, expires_at) \
         SELECT id, 1, 0, 'eur', '', '', 'open', true, starts_at, ends_at FROM slot";
    beside.execute_unprepared(sold).await.unwrap();
    let refused = ::migrations::down(&stack.db, back).await.unwrap_err();
    assert!(
        refused.to_string().contains("checkouts that a site priced"),
        "{refused}"
    );
    assert_eq!(::migrations::status(&stack.db).await.unwrap(), all);
}

async fn slot_of(stack: &Stack, id: Uuid) -> slot::Model {
    let row = slot::Entity::find_by_id(id).one(&stack.db).await.unwrap();
    row.unwrap()
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
