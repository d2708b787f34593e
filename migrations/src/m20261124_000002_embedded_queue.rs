//! The queue for deployments without a broker.

use sea_orm_migration::{
    prelude::{
        DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table,
        TableCreateStatement,
    },
    schema::{
        big_integer, big_integer_null, blob, integer, text, text_null, timestamp_with_time_zone,
        uuid, uuid_null,
    },
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let job = message_columns(Table::create().table("job"))
            .col(big_integer("available_at_ms"))
            .col(uuid_null("lease"))
            .col(integer("deliveries"))
            .col(text_null("last_error"))
            .to_owned();
        manager.create_table(job).await?;
        let due = Index::create()
            .name("job_lane_available_at_ms_idx")
            .table("job")
            .col("lane")
            .col("available_at_ms")
            .to_owned();
        manager.create_index(due).await?;

        let dead_letter = message_columns(Table::create().table("dead_letter"))
            .col(text("reason"))
            .col(timestamp_with_time_zone("dead_at"))
            .to_owned();
        manager.create_table(dead_letter).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["dead_letter", "job"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

/// What both tables keep of a message.
fn message_columns(table: &mut TableCreateStatement) -> &mut TableCreateStatement {
    table
        .col(uuid("id").primary_key())
        .col(text("lane"))
        .col(text_null("message_id"))
        .col(text_null("kind"))
        .col(big_integer_null("schema"))
        .col(big_integer("attempt"))
        .col(big_integer_null("received_at_ms"))
        .col(text_null("source"))
        .col(text_null("traceparent"))
        .col(blob("body"))
}
