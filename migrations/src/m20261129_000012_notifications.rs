//! What others are told: `outbox`, the endpoints of webhooks, and how far each notification has come on
//! its way to each destination.

use sea_orm_migration::{
    prelude::{
        ConnectionTrait, DbErr, DeriveMigrationName, ForeignKey, ForeignKeyAction, Index,
        MigrationTrait, SchemaManager, Table, TableCreateStatement,
    },
    schema::{
        integer, json_binary, json_binary_null, text, text_null, timestamp_with_time_zone,
        timestamp_with_time_zone_null, uuid,
    },
};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Indexes of what waits: those of all would be in the way of every booking.
const WAITING: [&str; 2] = [
    "CREATE INDEX outbox_waiting_idx ON outbox (id) WHERE done_at IS NULL",
    "CREATE INDEX outbox_delivery_waiting_idx ON outbox_delivery (destination, outbox_id) \
     WHERE done_at IS NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [outbox(), endpoint(), outbox_delivery()] {
            manager.create_table(table).await?;
        }
        let in_order = Index::create()
            .name("outbox_delivery_destination_checkout_id_sequence_idx")
            .table("outbox_delivery")
            .col("destination")
            .col("checkout_id")
            .col("sequence")
            .to_owned();
        manager.create_index(in_order).await?;
        for create in WAITING {
            manager.get_connection().execute_unprepared(create).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["outbox_delivery", "endpoint", "outbox"] {
            let drop = Table::drop().table(table).to_owned();
            manager.drop_table(drop).await?;
        }
        Ok(())
    }
}

fn outbox() -> TableCreateStatement {
    Table::create()
        .table("outbox")
        .col(uuid("id").primary_key())
        .col(text("kind"))
        .col(uuid("checkout_id"))
        .col(integer("sequence"))
        .col(text("document"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("due_at"))
        .col(timestamp_with_time_zone_null("done_at"))
        .foreign_key(
            ForeignKey::create()
                .from("outbox", "checkout_id")
                .to("checkout", "id"),
        )
        // Two transactions cannot both write what happened next.
        .index(
            Index::create()
                .name("outbox_checkout_id_sequence_key")
                .unique()
                .col("checkout_id")
                .col("sequence"),
        )
        .to_owned()
}

/// Where webhooks are posted.
fn endpoint() -> TableCreateStatement {
    Table::create()
        .table("endpoint")
        .col(text("id").primary_key())
        .col(text("url"))
        // All of them, if there are none.
        .col(json_binary_null("types"))
        .col(json_binary("secrets"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone_null("last_success_at"))
        .col(timestamp_with_time_zone_null("failing_since"))
        .col(text_null("last_error"))
        .col(timestamp_with_time_zone_null("disabled_at"))
        .to_owned()
}

fn outbox_delivery() -> TableCreateStatement {
    Table::create()
        .table("outbox_delivery")
        .col(uuid("outbox_id"))
        .col(text("destination"))
        .col(uuid("checkout_id"))
        .col(integer("sequence"))
        .col(timestamp_with_time_zone("due_at"))
        .col(integer("attempts"))
        .col(text_null("last_error"))
        .col(timestamp_with_time_zone_null("done_at"))
        .primary_key(Index::create().col("outbox_id").col("destination"))
        .foreign_key(
            ForeignKey::create()
                .from("outbox_delivery", "outbox_id")
                .to("outbox", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}
