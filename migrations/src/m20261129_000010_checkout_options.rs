//! What else a Checkout Session may do, such as take a discount off; and what a payment is made of
//! because of it.
//!
//! An earlier release of the worker beside these tables writes payments without it: their subtotal
//! stays empty, and is what was paid.

use sea_orm_migration::{
    prelude::{ColumnDef, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table},
    schema::{big_integer, big_integer_null, json_binary_null},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

fn new_columns() -> [(&'static str, ColumnDef); 5] {
    let none_by_default = |name: &'static str| big_integer(name).default(0).take();
    [
        ("checkout", json_binary_null("options")),
        ("payment", big_integer_null("amount_subtotal_minor_units")),
        ("payment", none_by_default("amount_discount_minor_units")),
        ("payment", none_by_default("amount_tax_minor_units")),
        ("payment", none_by_default("amount_shipping_minor_units")),
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
