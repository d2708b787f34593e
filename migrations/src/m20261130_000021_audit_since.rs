//! An audit looks at slots that are not over yet and at refunds since a time, however many there are before.

use sea_orm_migration::prelude::{
    ConnectionTrait, DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager,
};
use sea_orm_migration::sea_orm::DbBackend;

const OF_SLOTS: &str = "slot_ends_at_idx";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::create()
            .name(OF_SLOTS)
            .table("slot")
            .col("ends_at")
            .to_owned();
        manager.create_index(index).await?;
        // Refunds come in the order of their time: an index of whole blocks finds them. SQLite has none of this kind,
        // and a shop in a file has fewer.
        if manager.get_database_backend() == DbBackend::Postgres {
            let create = "CREATE INDEX refund_created_at_idx ON refund \
                 USING brin (created_at) WITH (pages_per_range = 16, autosummarize = on)";
            manager.get_connection().execute_unprepared(create).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = "DROP INDEX IF EXISTS refund_created_at_idx";
        manager.get_connection().execute_unprepared(drop).await?;
        let index = Index::drop().name(OF_SLOTS).table("slot").to_owned();
        manager.drop_index(index).await
    }
}
