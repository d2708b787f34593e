//! Data of the site's own on a checkout, which we keep and give back.

use sea_orm_migration::{
    prelude::{ColumnDef, DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table},
    schema::{json_binary_null, text_null},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// By it the site finds what its own row led to.
const INDEX: &str = "checkout_client_reference_idx";

fn new_columns() -> [ColumnDef; 2] {
    [text_null("client_reference"), json_binary_null("metadata")]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in new_columns() {
            let alter = Table::alter()
                .table("checkout")
                .add_column(column)
                .to_owned();
            manager.alter_table(alter).await?;
        }
        let index = Index::create()
            .name(INDEX)
            .table("checkout")
            .col("client_reference")
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name(INDEX).table("checkout").to_owned();
        manager.drop_index(index).await?;
        for column in ["client_reference", "metadata"] {
            let alter = Table::alter()
                .table("checkout")
                .drop_column(column)
                .to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
