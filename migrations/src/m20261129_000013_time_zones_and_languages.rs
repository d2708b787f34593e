//! Where an offering takes place, and by which clock; and which language a buyer speaks.

use sea_orm_migration::{
    prelude::{ColumnDef, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table},
    schema::text_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

fn new_columns() -> [(&'static str, ColumnDef); 3] {
    [
        ("offering", text_null("time_zone")),
        ("offering", text_null("location")),
        ("checkout", text_null("locale")),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in new_columns() {
            let alter = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in new_columns() {
            let alter = Table::alter()
                .table(table)
                .drop_column(column.get_column_name())
                .to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
