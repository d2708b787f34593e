//! Many rows with few statements: what is in the tables afterwards.

use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use shared::db::{Writes, job};
use uuid::Uuid;

use crate::stack::{Stack, on_each_stack};

on_each_stack![
    rows_with_other_columns_empty_are_all_there,
    what_one_statement_cannot_write_none_has_written,
];

/// The `n`th message: each of three columns is empty in some.
fn row(n: u32) -> job::Model {
    let in_some = |bit: u32| (n & bit != 0).then(|| format!("{n}"));
    job::Model {
        id: Uuid::from_u128(n.into()),
        lane: "nowhere".to_owned(),
        available_at_ms: i64::from(n),
        lease: None,
        deliveries: 0,
        message_id: in_some(1),
        kind: in_some(2),
        schema: Some(1),
        attempt: i64::from(n),
        received_at_ms: None,
        source: in_some(4),
        last_error: None,
        traceparent: None,
        signature: None,
        body: n.to_be_bytes().to_vec(),
    }
}

fn written(row: job::Model) -> job::ActiveModel {
    job::ActiveModel::from(row).reset_all()
}

async fn all(stack: &Stack) -> Vec<job::Model> {
    let jobs = job::Entity::find().order_by_asc(job::Column::AvailableAtMs);
    jobs.all(&stack.db).await.unwrap()
}

async fn rows_with_other_columns_empty_are_all_there(stack: Stack) {
    let backend = stack.db.get_database_backend();
    let mut first = Writes::new(backend);
    first.insert(vec![written(row(0))]).unwrap();
    first.run(&stack.db).await.unwrap();

    let changed = job::Model {
        lease: Some(Uuid::from_u128(7)),
        message_id: Some("changed".to_owned()),
        ..row(0)
    };
    let mut writes = Writes::new(backend);
    let one = job::Entity::update_many()
        .set(written(changed.clone()))
        .filter(job::Column::Id.eq(changed.id));
    writes.update(one);
    writes
        .insert((1..=80).map(row).map(written).collect())
        .unwrap();
    writes.insert(Vec::<job::ActiveModel>::new()).unwrap();
    writes.run(&stack.db).await.unwrap();

    let expected: Vec<_> = [changed].into_iter().chain((1..=80).map(row)).collect();
    assert_eq!(all(&stack).await, expected);
    Writes::new(backend).run(&stack.db).await.unwrap();
}

async fn what_one_statement_cannot_write_none_has_written(stack: Stack) {
    let twice = vec![written(row(1)), written(row(1))];
    let mut writes = Writes::new(stack.db.get_database_backend());
    writes.insert(twice).unwrap();

    writes.run(&stack.db).await.unwrap_err();

    assert_eq!(all(&stack).await, []);
}
