//! Why webhooks are refused: the latest of them, and when each secret was last needed.

use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table},
    schema::{
        integer_null, text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null,
        uuid,
    },
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let refused = Table::create()
            .table("refused_webhook")
            .col(uuid("id").primary_key())
            .col(timestamp_with_time_zone("at"))
            .col(text("reason"))
            .col(text("cause"))
            .col(text_null("network"))
            .col(integer_null("bytes"))
            .col(timestamp_with_time_zone_null("signed_at"))
            .to_owned();
        manager.create_table(refused).await?;
        let secret = Table::create()
            .table("stripe_endpoint_secret")
            .col(text("fingerprint").primary_key())
            .col(timestamp_with_time_zone("last_used_at"))
            .to_owned();
        manager.create_table(secret).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["stripe_endpoint_secret", "refused_webhook"] {
            let drop = Table::drop().table(table).to_owned();
            manager.drop_table(drop).await?;
        }
        Ok(())
    }
}
