//! Refunds that we owe get a table of their own: `outbox` is for what others are told.
//!
//! A worker of the release before does not find what it owes any more. It fails where it would have to
//! know, and the message waits for a worker of this release.

use sea_orm_migration::{
    prelude::{
        ConnectionTrait, DbErr, DeriveMigrationName, ForeignKey, Index, MigrationTrait,
        SchemaManager, Table, TableCreateStatement,
    },
    schema::{
        integer, text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid,
    },
};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// An index of all would grow with every refund; this one holds what waits.
const DUE: &str =
    "CREATE INDEX owed_refund_due_at_idx ON owed_refund (due_at) WHERE done_at IS NULL";
const DUE_BEFORE: &str = "outbox_done_at_due_at_idx";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(owed_refund()).await?;
        let conn = manager.get_connection();
        for statement in [
            "INSERT INTO owed_refund (checkout_id, created_at, due_at, attempts, last_error, done_at) \
             SELECT checkout_id, created_at, due_at, attempts, last_error, done_at FROM outbox",
            "DROP TABLE outbox",
            DUE,
        ] {
            conn.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(outbox()).await?;
        let index = Index::create()
            .name(DUE_BEFORE)
            .table("outbox")
            .col("done_at")
            .col("due_at")
            .to_owned();
        manager.create_index(index).await?;
        let conn = manager.get_connection();
        for statement in [
            // Another id than before: nothing knew it by that.
            "INSERT INTO outbox (id, kind, checkout_id, created_at, due_at, attempts, last_error, done_at) \
             SELECT checkout_id, 'refund', checkout_id, created_at, due_at, attempts, last_error, done_at \
             FROM owed_refund",
            "DROP TABLE owed_refund",
        ] {
            conn.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

fn owed_refund() -> TableCreateStatement {
    Table::create()
        .table("owed_refund")
        // What is owed is owed once.
        .col(uuid("checkout_id").primary_key())
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("due_at"))
        .col(integer("attempts"))
        .col(text_null("last_error"))
        .col(timestamp_with_time_zone_null("done_at"))
        .foreign_key(
            ForeignKey::create()
                .from("owed_refund", "checkout_id")
                .to("checkout", "id"),
        )
        .to_owned()
}

fn outbox() -> TableCreateStatement {
    Table::create()
        .table("outbox")
        .col(uuid("id").primary_key())
        .col(text("kind"))
        .col(uuid("checkout_id"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("due_at"))
        .col(integer("attempts"))
        .col(text_null("last_error"))
        .col(timestamp_with_time_zone_null("done_at"))
        .foreign_key(
            ForeignKey::create()
                .from("outbox", "checkout_id")
                .to("checkout", "id"),
        )
        .index(
            Index::create()
                .name("outbox_kind_checkout_id_key")
                .unique()
                .col("kind")
                .col("checkout_id"),
        )
        .to_owned()
}
