//! Whether others are told what happens.

use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter};
use shared::{clock, db::endpoint};
use time::Duration;

use crate::{
    notifications::backlog,
    operator::{
        doctor::finding::{Finding, START_A_WORKER, chain},
        words::counted,
    },
};

/// It takes less than a second.
const LATE: Duration = Duration::minutes(5);

/// Looks at the outbox, at deliveries, and at the endpoints.
pub async fn examine(db: &DatabaseConnection, by_mail: bool) -> Vec<Finding> {
    look(db, by_mail).await.unwrap_or_else(|error| {
        vec![Finding::failed(
            "notifications",
            chain(&error),
            "see the log",
        )]
    })
}

async fn look(db: &DatabaseConnection, by_mail: bool) -> Result<Vec<Finding>, DbErr> {
    const CHECK: &str = "notifications";
    let now = clock::system();
    let mut findings = Vec::new();
    let (waiting, oldest) = backlog::outbox(db, now).await?;
    if oldest > LATE {
        let detail = format!(
            "{} not handed on for over {} minutes",
            counted(waiting, "notification"),
            LATE.whole_minutes()
        );
        findings.push(Finding::failed(CHECK, detail, START_A_WORKER));
    }
    let (waiting, oldest) = backlog::deliveries(db, by_mail, now).await?;
    if oldest > LATE {
        let minutes = LATE.whole_minutes();
        let waiting = counted(waiting, "notification");
        let detail = format!("{waiting} on their way, the oldest for over {minutes} minutes");
        let remedy = "worker endpoint list says where, and why";
        findings.push(Finding::warning(CHECK, detail, remedy));
    }
    let off = endpoint::Entity::find()
        .filter(endpoint::Column::DisabledAt.is_not_null())
        .all(db)
        .await?;
    for it in off {
        let error = it.last_error.as_deref().unwrap_or("by an operator");
        let detail = format!("endpoint {} is switched off: {error}", it.id);
        let remedy = "once it works, worker endpoint enable tells it what it missed";
        findings.push(Finding::warning(CHECK, detail, remedy));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "all that happened is told"));
    }
    Ok(findings)
}
