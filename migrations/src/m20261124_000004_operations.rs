//! What operators work with: dead letters of either queue with what became of them, the state
//! of work that one worker does for all, and messages that may have killed a worker.

use sea_orm_migration::{
    prelude::{ColumnDef, DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table},
    schema::{integer, text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

fn new_columns() -> [ColumnDef; 6] {
    [
        // The same message dead for the same reason is one letter.
        text_null("fingerprint"),
        integer("times").default(1).to_owned(),
        text_null("resolution"),
        timestamp_with_time_zone_null("resolved_at"),
        text_null("resolved_by"),
        text_null("resolved_why"),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in new_columns() {
            manager
                .alter_table(
                    Table::alter()
                        .table("dead_letter")
                        .add_column(column)
                        .to_owned(),
                )
                .await?;
        }
        let fingerprint = Index::create()
            .name("dead_letter_fingerprint_key")
            .table("dead_letter")
            .col("fingerprint")
            .unique()
            .to_owned();
        manager.create_index(fingerprint).await?;
        let recurring_job = Table::create()
            .table("recurring_job")
            .col(text("name").primary_key())
            .col(timestamp_with_time_zone("due_at"))
            .col(timestamp_with_time_zone_null("last_success_at"))
            .col(text_null("cursor"))
            .to_owned();
        manager.create_table(recurring_job).await?;
        let suspect = Table::create()
            .table("suspect")
            .col(text("fingerprint").primary_key())
            .col(integer("starts"))
            .col(timestamp_with_time_zone("started_at"))
            .to_owned();
        manager.create_table(suspect).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["suspect", "recurring_job"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        let fingerprint = Index::drop()
            .name("dead_letter_fingerprint_key")
            .table("dead_letter")
            .to_owned();
        manager.drop_index(fingerprint).await?;
        for column in new_columns() {
            let name = column.get_column_name();
            manager
                .alter_table(
                    Table::alter()
                        .table("dead_letter")
                        .drop_column(name)
                        .to_owned(),
                )
                .await?;
        }
        Ok(())
    }
}
