//! How many payments wait for a person is looked at every few seconds, in a table that grows without end.

use sea_orm_migration::prelude::{
    ConnectionTrait, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let create = "CREATE INDEX booking_needs_attention_idx ON booking (id) \
             WHERE status = 'needs_attention'";
        manager.get_connection().execute_unprepared(create).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = "DROP INDEX booking_needs_attention_idx";
        manager.get_connection().execute_unprepared(drop).await?;
        Ok(())
    }
}
