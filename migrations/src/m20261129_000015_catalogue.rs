//! A catalogue that is kept in a file: offerings by a key of the merchant's, and what is closed. The
//! database checks what the file may say, too: currencies, smallest amounts, policies and times.
//!
//! Rows that are there already stay, and can be changed in what a check is not about: they are triggers,
//! and no constraints.

use sea_orm::DbBackend;
use sea_orm_migration::{
    prelude::{
        ColumnDef, ConnectionTrait, DbErr, DeriveMigrationName, Index, MigrationTrait,
        SchemaManager, Table,
    },
    schema::{boolean, text_null},
};
use shared::money;

#[derive(DeriveMigrationName)]
pub struct Migration;

const INDEX: &str = "offering_key_key";

fn new_columns() -> [(&'static str, ColumnDef); 3] {
    [
        ("offering", text_null("key")),
        ("offering", boolean("closed").default(false).to_owned()),
        ("slot", boolean("closed").default(false).to_owned()),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in new_columns() {
            let alter = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        let index = Index::create()
            .name(INDEX)
            .table("offering")
            .col("key")
            .unique()
            .to_owned();
        manager.create_index(index).await?;
        let conn = manager.get_connection();
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        for (table, name, columns, check, message) in checks() {
            for statement in create(is_postgres, table, name, columns, &check, message) {
                conn.execute_unprepared(&statement).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let conn = manager.get_connection();
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        for (table, name, ..) in checks() {
            let statements = if is_postgres {
                vec![
                    format!("DROP TRIGGER {table}_{name} ON {table}"),
                    format!("DROP FUNCTION {table}_{name}()"),
                ]
            } else {
                ["insert", "update"]
                    .map(|event| format!("DROP TRIGGER {table}_{name}_{event}"))
                    .into()
            };
            for statement in statements {
                conn.execute_unprepared(&statement).await?;
            }
        }
        let index = Index::drop().name(INDEX).table("offering").to_owned();
        manager.drop_index(index).await?;
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

/// The check of one rule, when a row is new or the columns it is about change: a row from before that fails
/// it can be changed in all others.
fn create(
    is_postgres: bool,
    table: &str,
    name: &str,
    columns: &str,
    check: &str,
    message: &str,
) -> Vec<String> {
    if is_postgres {
        let check = of_new(check);
        return vec![
            format!(
                "CREATE FUNCTION {table}_{name}() RETURNS trigger LANGUAGE plpgsql AS $check$ BEGIN \
                 IF NOT ({check}) THEN RAISE check_violation USING MESSAGE = '{message}'; END IF; \
                 RETURN NEW; END $check$"
            ),
            format!(
                "CREATE TRIGGER {table}_{name} BEFORE INSERT OR UPDATE OF {columns} ON {table} \
                 FOR EACH ROW EXECUTE FUNCTION {table}_{name}()"
            ),
        ];
    }
    // Times may be written in more than one way there.
    let check = check.replace(
        "ends_at > starts_at",
        "julianday(ends_at) > julianday(starts_at)",
    );
    let check = of_new(&check);
    [
        ("insert", String::new()),
        ("update", format!(" OF {columns}")),
    ]
    .map(|(event, of)| {
        format!(
            "CREATE TRIGGER {table}_{name}_{event} BEFORE {event}{of} ON {table} \
                 WHEN NOT ({check}) BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )
    })
    .into()
}

/// Table, name, the columns it is about, check, and what is said of a row that fails it.
type Check = (
    &'static str,
    &'static str,
    &'static str,
    String,
    &'static str,
);

fn checks() -> Vec<Check> {
    let currencies: Vec<String> = money::CURRENCIES
        .split(' ')
        .map(|code| format!("'{code}'"))
        .collect();
    let smallest: Vec<String> = money::SMALLEST
        .iter()
        .map(|(code, minor_units)| format!("WHEN '{code}' THEN {minor_units}"))
        .collect();
    vec![
        (
            "offering",
            "known_currency",
            "currency",
            format!("currency IN ({})", currencies.join(", ")),
            "offering.currency is none that Stripe knows",
        ),
        (
            "offering",
            "smallest_amount",
            "currency, unit_amount_minor_units",
            format!(
                "unit_amount_minor_units = 0 OR unit_amount_minor_units >= \
                 CASE currency {} ELSE 1 END",
                smallest.join(" ")
            ),
            "offering.unit_amount_minor_units is less than Stripe charges",
        ),
        (
            "offering",
            "policy",
            "cancellation_free_hours, cancellation_late_percent",
            "(cancellation_free_hours IS NULL OR cancellation_free_hours BETWEEN 0 AND 8784) \
             AND (cancellation_late_percent IS NULL OR cancellation_late_percent BETWEEN 0 AND 100)"
                .to_owned(),
            "offering.cancellation_free_hours is 0 to 8784, cancellation_late_percent 0 to 100",
        ),
        (
            "slot",
            "ends_after_start",
            "starts_at, ends_at",
            "ends_at > starts_at".to_owned(),
            "slot.ends_at is not after starts_at",
        ),
    ]
}

/// The columns of `check` as a trigger names them.
fn of_new(check: &str) -> String {
    [
        "currency",
        "unit_amount_minor_units",
        "cancellation_free_hours",
        "cancellation_late_percent",
        "ends_at",
        "starts_at",
    ]
    .into_iter()
    .fold(check.to_owned(), |text, column| {
        text.replace(column, &format!("NEW.{column}"))
    })
}
