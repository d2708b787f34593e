//! `worker forget`: everything here that says who somebody is, erased; the books stay.

use anyhow::{bail, ensure};
use clap::Args;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, ExprTrait,
    QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, Func},
};
use serde_json::json;
use shared::{
    clock,
    db::{
        self,
        booking::{self, Status},
        checkout, dead_letter, intervention, job, outbox, outbox_delivery, slot,
    },
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::operator::{
    command_line::{self, database, environment, line},
    words::counted,
};

/// Rows whose bodies are read at once.
const PAGE: u64 = 100;

#[derive(Args)]
pub struct Arguments {
    /// The person's e-mail address.
    email: String,
    /// Also while a booking of theirs is still to come.
    #[arg(long)]
    even_booked: bool,
    /// Only say what would be erased.
    #[arg(long)]
    dry_run: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let db = database(&environment()?).await?;
    let now = clock::system();
    let erased = forget(&db, &arguments, now).await?;
    if arguments.json {
        return command_line::json(&json!({
            "dry_run": arguments.dry_run,
            "checkouts": erased.checkouts,
            "notifications": erased.notifications,
            "dead_letters": erased.dead_letters,
        }));
    }
    let verb = if arguments.dry_run { "would be" } else { "are" };
    line(format!(
        "{}, {} and {} {verb} without a name",
        counted(erased.checkouts, "order"),
        counted(erased.notifications, "notification"),
        counted(erased.dead_letters, "dead letter"),
    ));
    line("Not here: what Stripe keeps, your own tables, mails that were sent, backups.");
    Ok(())
}

/// What was erased.
struct Erased {
    checkouts: usize,
    notifications: u64,
    dead_letters: usize,
}

async fn forget(
    db: &DatabaseConnection,
    arguments: &Arguments,
    now: OffsetDateTime,
) -> anyhow::Result<Erased> {
    let email = arguments.email.trim().to_lowercase();
    ensure!(email.contains('@'), "expected an e-mail address");
    let orders = orders_of(db, &email).await?;
    ensure!(!orders.is_empty(), "nobody here has this e-mail address");
    refuse_what_goes_on(db, &orders, arguments.even_booked, now).await?;
    let mut names: Vec<String> = vec![email];
    names.extend(orders.iter().filter_map(|it| it.session_id.clone()));
    let letters = letters_about(db, &names).await?;
    refuse_what_waits(db, &names, &letters).await?;
    let ids: Vec<Uuid> = orders.iter().map(|it| it.id).collect();
    let tx = db::begin(db).await?;
    let notifications = erase(&tx, &ids, now).await?;
    let letters: Vec<Uuid> = letters.into_iter().map(|(id, _)| id).collect();
    for some in letters.chunks(100) {
        use dead_letter::Column;
        dead_letter::Entity::update_many()
            .col_expr(Column::Body, Expr::value(Vec::<u8>::new()))
            .col_expr(Column::Detail, Expr::value(None::<String>))
            .filter(Column::Id.is_in(some.iter().copied()))
            .exec(&tx)
            .await?;
    }
    if arguments.dry_run {
        tx.rollback().await?;
    } else {
        tx.commit().await?;
        clean_file(db).await;
    }
    Ok(Erased {
        checkouts: ids.len(),
        notifications,
        dead_letters: letters.len(),
    })
}

async fn orders_of(db: &DatabaseConnection, email: &str) -> anyhow::Result<Vec<checkout::Model>> {
    let tx = db::begin_long_read(db).await?;
    let lower = Func::lower(Expr::col(checkout::Column::CustomerEmail));
    let rows = checkout::Entity::find()
        .filter(Expr::expr(lower).eq(email))
        .all(&tx)
        .await?;
    tx.commit().await?;
    Ok(rows)
}

/// An order that can still be paid needs its name, and so may a booking that is still to come.
async fn refuse_what_goes_on(
    db: &DatabaseConnection,
    orders: &[checkout::Model],
    even_booked: bool,
    now: OffsetDateTime,
) -> anyhow::Result<()> {
    let open = orders.iter().filter(|it| it.state.is_undecided()).count();
    ensure!(
        open == 0,
        "{} can still be paid; try again when it has ended (worker booking find)",
        counted(open, "order")
    );
    if even_booked {
        return Ok(());
    }
    let ids = orders.iter().map(|it| it.id);
    let to_come: Vec<String> = booking::Entity::find()
        .select_only()
        .column(booking::Column::Reference)
        .inner_join(checkout::Entity)
        .join(
            sea_orm::JoinType::InnerJoin,
            sea_orm::RelationTrait::def(&checkout::Relation::Slot),
        )
        .filter(booking::Column::CheckoutId.is_in(ids))
        .filter(booking::Column::Status.eq(Status::Confirmed))
        .filter(slot::Column::EndsAt.gt(now))
        .into_tuple()
        .all(db)
        .await?;
    ensure!(
        to_come.is_empty(),
        "{} still to come: cancel first, or say --even-booked",
        to_come.join(", ")
    );
    Ok(())
}

/// Dead letters that name any of `names`, and whether each is open.
async fn letters_about(
    db: &DatabaseConnection,
    names: &[String],
) -> anyhow::Result<Vec<(Uuid, bool)>> {
    let mut found = Vec::new();
    let mut after = Uuid::nil();
    loop {
        let rows = dead_letter::Entity::find()
            .filter(dead_letter::Column::Id.gt(after))
            .order_by_asc(dead_letter::Column::Id)
            .limit(PAGE)
            .all(db)
            .await?;
        let Some(last) = rows.last() else {
            return Ok(found);
        };
        after = last.id;
        let about = rows.iter().filter(|it| names_one(&it.body, names));
        found.extend(about.map(|it| (it.id, it.resolution.is_none())));
    }
}

/// What waits would bring the name back.
async fn refuse_what_waits(
    db: &DatabaseConnection,
    names: &[String],
    letters: &[(Uuid, bool)],
) -> anyhow::Result<()> {
    let open = letters.iter().filter(|(_, is_open)| *is_open);
    let open: Vec<String> = open.map(|(id, _)| id.to_string()).collect();
    if !open.is_empty() {
        let ids = open.join(" ");
        bail!("dead letters are about it: first worker dead replay or discard {ids}");
    }
    let jobs = job::Entity::find().all(db).await?;
    let waits = jobs.iter().any(|it| names_one(&it.body, names));
    ensure!(
        !waits,
        "a message about it waits on the queue; try again in a moment"
    );
    Ok(())
}

fn names_one(body: &[u8], names: &[String]) -> bool {
    let text = String::from_utf8_lossy(body).to_lowercase();
    names.iter().any(|name| text.contains(&name.to_lowercase()))
}

/// Returns how many notifications had its name.
async fn erase(
    tx: &impl ConnectionTrait,
    ids: &[Uuid],
    now: OffsetDateTime,
) -> anyhow::Result<u64> {
    use checkout::Column;
    let mut notifications: u64 = 0;
    for some in ids.chunks(100) {
        checkout::without_a_person()
            .filter(Column::Id.is_in(some.iter().copied()))
            .exec(tx)
            .await?;
        let told = outbox::Entity::update_many()
            .col_expr(outbox::Column::Document, Expr::value(""))
            .col_expr(outbox::Column::DoneAt, Expr::value(now))
            .filter(outbox::Column::CheckoutId.is_in(some.iter().copied()))
            .filter(outbox::Column::Document.ne(""))
            .exec(tx)
            .await?;
        notifications = notifications.saturating_add(told.rows_affected);
        intervention::Entity::update_many()
            .col_expr(intervention::Column::Why, Expr::value(""))
            .filter(intervention::Column::CheckoutId.is_in(some.iter().copied()))
            .exec(tx)
            .await?;
        // A mail that waits would have no address.
        outbox_delivery::Entity::delete_many()
            .filter(outbox_delivery::Column::CheckoutId.is_in(some.iter().copied()))
            .filter(outbox_delivery::Column::DoneAt.is_null())
            .exec(tx)
            .await?;
    }
    Ok(notifications)
}

/// SQLite leaves what was deleted in the file until something else is written there.
async fn clean_file(db: &DatabaseConnection) {
    if db.get_database_backend() == DbBackend::Postgres {
        return;
    }
    for statement in ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
        if let Err(error) = db.execute_unprepared(statement).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(
                error,
                "The file still has it; run forget again while nothing else works"
            );
        }
    }
}
