//! Which client holds seats, so that none holds too many. What is not paid ends soon, so the end finds it.

use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table},
    schema::text_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

const INDEX: &str = "checkout_client_expires_at_idx";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = Table::alter()
            .table("checkout")
            .add_column(text_null("client"))
            .to_owned();
        manager.alter_table(add).await?;
        let index = Index::create()
            .name(INDEX)
            .table("checkout")
            .col("client")
            .col("expires_at")
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name(INDEX).table("checkout").to_owned();
        manager.drop_index(index).await?;
        let drop = Table::alter()
            .table("checkout")
            .drop_column("client")
            .to_owned();
        manager.alter_table(drop).await
    }
}
