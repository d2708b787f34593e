//! The rest of a payment's life: refunds, disputes, what is owed to Stripe, and why a booking
//! is not what the buyer wanted.

use sea_orm_migration::{
    prelude::{
        ColumnDef, ConnectionTrait, DbErr, DeriveMigrationName, ForeignKey,
        ForeignKeyCreateStatement, Index, MigrationTrait, SchemaManager, Table,
        TableCreateStatement,
    },
    schema::{
        big_integer, boolean, integer, text, text_null, timestamp_with_time_zone,
        timestamp_with_time_zone_null, uuid,
    },
};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Columns that older tables get.
fn new_columns() -> [(&'static str, ColumnDef); 5] {
    [
        ("checkout", boolean("seats_held").default(true).to_owned()),
        ("checkout", text_null("intent")),
        ("booking", text_null("reason")),
        (
            "payment",
            big_integer("amount_refunded_minor_units")
                .default(0)
                .to_owned(),
        ),
        ("payment", text_null("dispute_status")),
    ]
}

const INDEXES: [(&str, &[&str]); 6] = [
    ("checkout", &["intent"]),
    ("checkout", &["state", "expires_at"]),
    ("stripe_event", &["checkout_id"]),
    ("refund", &["checkout_id"]),
    ("dispute", &["checkout_id"]),
    ("outbox", &["done_at", "due_at"]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One at a time: SQLite adds one column per statement.
        for (table, column) in new_columns() {
            manager
                .alter_table(Table::alter().table(table).add_column(column).to_owned())
                .await?;
        }
        for statement in [
            "UPDATE checkout SET seats_held = false \
             WHERE state IN ('expired', 'payment_failed', 'abandoned')",
            "UPDATE checkout SET state = 'paid' WHERE state = 'fulfilled'",
        ] {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        for table in [refund(), dispute(), outbox()] {
            manager.create_table(table).await?;
        }
        for (table, columns) in INDEXES {
            let mut index = Index::create();
            index.name(index_name(table, columns)).table(table);
            for column in columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, columns) in INDEXES {
            let index = Index::drop()
                .name(index_name(table, columns))
                .table(table)
                .to_owned();
            manager.drop_index(index).await?;
        }
        for table in ["outbox", "dispute", "refund"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        manager
            .get_connection()
            .execute_unprepared("UPDATE checkout SET state = 'fulfilled' WHERE state = 'paid'")
            .await?;
        for (table, column) in new_columns() {
            let name = column.get_column_name();
            manager
                .alter_table(Table::alter().table(table).drop_column(name).to_owned())
                .await?;
        }
        Ok(())
    }
}

fn index_name(table: &str, columns: &[&str]) -> String {
    format!("{table}_{}_idx", columns.join("_"))
}

fn refund() -> TableCreateStatement {
    Table::create()
        .table("refund")
        .col(text("id").primary_key())
        .col(uuid("checkout_id"))
        .col(big_integer("amount_minor_units"))
        .col(text("currency"))
        .col(text("status"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("updated_at"))
        .foreign_key(&mut of_checkout("refund"))
        .to_owned()
}

fn dispute() -> TableCreateStatement {
    Table::create()
        .table("dispute")
        .col(text("id").primary_key())
        .col(uuid("checkout_id"))
        .col(big_integer("amount_minor_units"))
        .col(text("currency"))
        .col(text("reason"))
        .col(text("status"))
        .col(boolean("funds_withdrawn"))
        .col(boolean("funds_reinstated"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("updated_at"))
        .foreign_key(&mut of_checkout("dispute"))
        .to_owned()
}

fn outbox() -> TableCreateStatement {
    Table::create()
        .table("outbox")
        .col(uuid("id").primary_key())
        .col(text("kind"))
        .col(uuid("checkout_id"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("due_at"))
        .col(integer("attempts"))
        .col(text_null("last_error"))
        .col(timestamp_with_time_zone_null("done_at"))
        .foreign_key(&mut of_checkout("outbox"))
        // What is owed is owed once.
        .index(
            Index::create()
                .name("outbox_kind_checkout_id_key")
                .unique()
                .col("kind")
                .col("checkout_id"),
        )
        .to_owned()
}

fn of_checkout(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(table, "checkout_id")
        .to("checkout", "id")
        .to_owned()
}
