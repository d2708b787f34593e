//! Stripe's signature beside each message that is kept, so that the worker can check it again,
//! and what ingress was told and left alone.

use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table},
    schema::{big_integer, text, text_null, timestamp_with_time_zone},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Tables that keep messages.
const TABLES: [&str; 2] = ["job", "dead_letter"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            let signature = text_null("signature");
            let alter = Table::alter().table(table).add_column(signature).to_owned();
            manager.alter_table(alter).await?;
        }
        let ignored_event = Table::create()
            .table("ignored_event")
            .col(text("reason").primary_key())
            .col(big_integer("events"))
            .col(text("last_event_id"))
            .col(timestamp_with_time_zone("last_at"))
            .to_owned();
        manager.create_table(ignored_event).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let ignored_event = Table::drop().table("ignored_event").to_owned();
        manager.drop_table(ignored_event).await?;
        for table in TABLES {
            let alter = Table::alter()
                .table(table)
                .drop_column("signature")
                .to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
