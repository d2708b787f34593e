//! What is sold, held, booked and paid.

use sea_orm_migration::{
    prelude::{
        DbErr, DeriveMigrationName, Expr, ExprTrait, ForeignKey, ForeignKeyCreateStatement, Index,
        MigrationTrait, SchemaManager, Table, TableCreateStatement,
    },
    schema::{
        big_integer, integer, text, text_null, timestamp_with_time_zone,
        timestamp_with_time_zone_null, uuid,
    },
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            offering(),
            slot(),
            checkout(),
            booking(),
            payment(),
            stripe_event(),
        ] {
            manager.create_table(table).await?;
        }
        for (table, column) in [
            ("slot", "offering_id"),
            ("checkout", "slot_id"),
            ("booking", "slot_id"),
        ] {
            let index = Index::create()
                .name(format!("{table}_{column}_idx"))
                .table(table)
                .col(column)
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "stripe_event",
            "payment",
            "booking",
            "checkout",
            "slot",
            "offering",
        ] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

fn offering() -> TableCreateStatement {
    Table::create()
        .table("offering")
        .col(uuid("id").primary_key())
        .col(text("name"))
        .col(text("description"))
        .col(big_integer("unit_amount_minor_units"))
        .col(text("currency"))
        .check(Expr::col("unit_amount_minor_units").gte(0))
        .to_owned()
}

fn slot() -> TableCreateStatement {
    Table::create()
        .table("slot")
        .col(uuid("id").primary_key())
        .col(uuid("offering_id"))
        .col(timestamp_with_time_zone("starts_at"))
        .col(timestamp_with_time_zone("ends_at"))
        .col(integer("capacity"))
        .col(integer("seats_taken").default(0))
        .foreign_key(&mut reference("slot", "offering_id", "offering"))
        // The last word on overbooking.
        .check(Expr::col("seats_taken").gte(0))
        .check(Expr::col("seats_taken").lte(Expr::col("capacity")))
        .to_owned()
}

fn checkout() -> TableCreateStatement {
    Table::create()
        .table("checkout")
        .col(uuid("id").primary_key())
        .col(uuid("slot_id"))
        .col(integer("quantity"))
        .col(big_integer("amount_minor_units"))
        .col(text("currency"))
        .col(text("customer_name"))
        .col(text("customer_email"))
        .col(text("state"))
        .col(text_null("session_id").unique_key())
        .col(text_null("checkout_url"))
        .col(text_null("idempotency_key").unique_key())
        .col(text_null("request_hash"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("expires_at"))
        .col(timestamp_with_time_zone_null("confirm_enqueued_at"))
        .col(timestamp_with_time_zone_null("stripe_checked_at"))
        .foreign_key(&mut reference("checkout", "slot_id", "slot"))
        .check(Expr::col("quantity").gt(0))
        .check(Expr::col("amount_minor_units").gte(0))
        .to_owned()
}

fn booking() -> TableCreateStatement {
    Table::create()
        .table("booking")
        .col(uuid("id").primary_key())
        .col(uuid("checkout_id").unique_key())
        .col(uuid("slot_id"))
        .col(integer("quantity"))
        .col(text("reference").unique_key())
        .col(text("status"))
        .col(timestamp_with_time_zone("created_at"))
        .foreign_key(&mut reference("booking", "checkout_id", "checkout"))
        .foreign_key(&mut reference("booking", "slot_id", "slot"))
        .check(Expr::col("quantity").gt(0))
        .to_owned()
}

fn payment() -> TableCreateStatement {
    Table::create()
        .table("payment")
        .col(uuid("id").primary_key())
        .col(uuid("checkout_id").unique_key())
        .col(text("session_id").unique_key())
        // Unique where present: both engines let any number of NULLs pass.
        .col(text_null("payment_intent_id").unique_key())
        .col(big_integer("amount_minor_units"))
        .col(text("currency"))
        .col(text("status"))
        .col(timestamp_with_time_zone("created_at"))
        .foreign_key(&mut reference("payment", "checkout_id", "checkout"))
        .check(Expr::col("amount_minor_units").gte(0))
        .to_owned()
}

fn stripe_event() -> TableCreateStatement {
    Table::create()
        .table("stripe_event")
        .col(text("id").primary_key())
        .col(text("kind"))
        .col(uuid("checkout_id"))
        .col(text("outcome"))
        .col(timestamp_with_time_zone("processed_at"))
        .foreign_key(&mut reference("stripe_event", "checkout_id", "checkout"))
        .to_owned()
}

fn reference(
    from_table: &'static str,
    from_column: &'static str,
    to_table: &'static str,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(from_table, from_column)
        .to(to_table, "id")
        .to_owned()
}
