//! Operators look at the latest events, in a table that grows without end. Events come in the order of
//! their time, so an index of whole blocks finds them, and costs an event next to nothing.

use sea_orm_migration::prelude::{
    ConnectionTrait, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager,
};
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite has none of this kind, and a shop in a file has fewer events.
        if manager.get_database_backend() == DbBackend::Postgres {
            let create = "CREATE INDEX stripe_event_processed_at_idx ON stripe_event \
                 USING brin (processed_at) WITH (pages_per_range = 16, autosummarize = on)";
            manager.get_connection().execute_unprepared(create).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = "DROP INDEX IF EXISTS stripe_event_processed_at_idx";
        manager.get_connection().execute_unprepared(drop).await?;
        Ok(())
    }
}
