//! What PostgreSQL itself calls trouble that passes, and what does not.

use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};
use shared::db::{self, Trouble};

use crate::stack::Stack;

async fn table(stack: &Stack) {
    for statement in [
        "CREATE TABLE thing (id int PRIMARY KEY, value int NOT NULL)",
        "INSERT INTO thing VALUES (1, 0), (2, 0)",
    ] {
        stack.db.execute_unprepared(statement).await.unwrap();
    }
}

async fn run(tx: &impl ConnectionTrait, statement: &str) -> Result<(), DbErr> {
    tx.execute_unprepared(statement).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_passes() {
    let stack = Stack::postgres_rabbitmq().await;
    table(&stack).await;
    let (one, other) = (
        db::begin(&stack.db).await.unwrap(),
        db::begin(&stack.db).await.unwrap(),
    );
    let lock = |id: i32| format!("UPDATE thing SET value = 1 WHERE id = {id}");
    run(&one, &lock(1)).await.unwrap();
    run(&other, &lock(2)).await.unwrap();

    let (second, first) = (lock(2), lock(1));
    let (left, right) = tokio::join!(run(&one, &second), run(&other, &first));

    let error = left.and(right).unwrap_err();
    assert!(error.to_string().contains("deadlock"), "{error}");
    assert_eq!(db::trouble(&error), Trouble::Contention, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serialization_failure_passes() {
    let stack = Stack::postgres_rabbitmq().await;
    table(&stack).await;
    let late = stack.db.begin().await.unwrap();
    run(&late, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        .await
        .unwrap();
    run(&late, "SELECT * FROM thing").await.unwrap();
    stack
        .db
        .execute_unprepared("UPDATE thing SET value = 1 WHERE id = 1")
        .await
        .unwrap();

    let error = run(&late, "UPDATE thing SET value = 2 WHERE id = 1")
        .await
        .unwrap_err();

    assert!(error.to_string().contains("serialize"), "{error}");
    assert_eq!(db::trouble(&error), Trouble::Contention, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_not_to_be_had_in_time_passes() {
    let stack = Stack::postgres_rabbitmq().await;
    table(&stack).await;
    let holder = db::begin(&stack.db).await.unwrap();
    run(&holder, "LOCK TABLE thing").await.unwrap();

    let waiting = db::begin(&stack.db).await.unwrap();
    let error = run(&waiting, "SELECT * FROM thing").await.unwrap_err();

    assert!(error.to_string().contains("lock timeout"), "{error}");
    assert_eq!(db::trouble(&error), Trouble::Contention, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violated_constraint_does_not_pass() {
    let stack = Stack::postgres_rabbitmq().await;
    table(&stack).await;
    let tx = db::begin(&stack.db).await.unwrap();

    let duplicate = run(&tx, "INSERT INTO thing VALUES (1, 0)")
        .await
        .unwrap_err();

    assert_eq!(db::trouble(&duplicate), Trouble::Lasting, "{duplicate}");
}
