//! What an operator or a buyer decided about a booking, with who and why; refunds of a part; and until
//! when a buyer may cancel.

use sea_orm::Statement;
use sea_orm_migration::{
    prelude::{
        ColumnDef, ConnectionTrait, DbErr, DeriveMigrationName, ForeignKey, Index, MigrationTrait,
        SchemaManager, Table, TableCreateStatement,
    },
    schema::{big_integer_null, integer_null, text, text_null, timestamp_with_time_zone, uuid},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

const INDEX: &str = "intervention_checkout_id_idx";

fn new_columns() -> [(&'static str, ColumnDef); 4] {
    [
        ("owed_refund", big_integer_null("amount_minor_units")),
        ("owed_refund", text_null("refund_id")),
        ("offering", integer_null("cancellation_free_hours")),
        ("offering", integer_null("cancellation_late_percent")),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(intervention()).await?;
        let index = Index::create()
            .name(INDEX)
            .table("intervention")
            .col("checkout_id")
            .to_owned();
        manager.create_index(index).await?;
        for (table, column) in new_columns() {
            let alter = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }

    /// Fails while there is what the release before would undo: a part that is owed would be all, and an
    /// end that a person decided would be booked again.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let conn = manager.get_connection();
        for (rows, why) in [
            (
                "owed_refund WHERE amount_minor_units IS NOT NULL",
                "a part of a payment is owed, or was",
            ),
            (
                "booking WHERE reason IN ('cancelled_by_merchant', 'cancelled_by_buyer', 'settled', 'given_back')",
                "a person has ended a booking",
            ),
        ] {
            let any = format!("SELECT 1 FROM {rows} LIMIT 1");
            let any = Statement::from_string(conn.get_database_backend(), any);
            if conn.query_one_raw(any).await?.is_some() {
                return Err(DbErr::Migration(why.to_owned()));
            }
        }
        for (table, column) in new_columns() {
            let alter = Table::alter()
                .table(table)
                .drop_column(column.get_column_name())
                .to_owned();
            manager.alter_table(alter).await?;
        }
        let drop = Table::drop().table("intervention").to_owned();
        manager.drop_table(drop).await
    }
}

fn intervention() -> TableCreateStatement {
    Table::create()
        .table("intervention")
        .col(uuid("id").primary_key())
        .col(uuid("checkout_id"))
        .col(text("kind"))
        .col(text_null("detail"))
        .col(text("decided_by"))
        .col(text("why"))
        .col(timestamp_with_time_zone("created_at"))
        .foreign_key(
            ForeignKey::create()
                .from("intervention", "checkout_id")
                .to("checkout", "id"),
        )
        .to_owned()
}
