//! What is sold: rows that people wrote and that cannot be sold.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter};
use shared::db::{catalogue, offering, slot};

use crate::operator::{
    doctor::finding::{Finding, chain},
    words::counted,
};

/// Rows that are named; of more, how many there are.
const NAMED: usize = 5;

/// Looks at every offering and slot.
pub async fn examine(db: &DatabaseConnection) -> Vec<Finding> {
    let problems = match problems(db).await {
        Ok(problems) => problems,
        Err(error) => return vec![Finding::failed("catalogue", chain(&error), "see the log")],
    };
    if problems.is_empty() {
        return vec![Finding::ok(
            "catalogue",
            "every offering and slot can be sold",
        )];
    }
    let more = problems.len().saturating_sub(NAMED);
    let remedy =
        "worker catalogue apply or worker offering set corrects it; until then it is not offered";
    let mut findings: Vec<Finding> = problems
        .into_iter()
        .take(NAMED)
        .map(|problem| Finding::failed("catalogue", problem, remedy))
        .collect();
    if more > 0 {
        let more = counted(more, "more row");
        findings.push(Finding::failed("catalogue", more, remedy));
    }
    findings
}

async fn problems(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let (offerings, unreadable) = catalogue::readable(db, offering::Entity::find()).await?;
    // Those of a site's resources are made by ingress.
    let slots = slot::Entity::find().filter(slot::Column::ResourceKey.is_null());
    let (slots, unreadable_slots) = catalogue::readable(db, slots).await?;
    let mut problems = Vec::new();
    for (table, rows) in [("offering", unreadable), ("slot", unreadable_slots)] {
        for row in rows {
            problems.push(format!("{table} {}: {}", row.id, chain(&row.error)));
        }
    }
    let mut names = HashMap::new();
    for row in offerings {
        if let Err(error) = row.price() {
            problems.push(format!(
                "offering {} ({}): {}",
                row.id,
                row.name,
                chain(&error)
            ));
        }
        names.insert(row.id, row.name);
    }
    for row in slots {
        if row.ends_at <= row.starts_at {
            let name = row.offering_id.and_then(|id| names.get(&id));
            let name = name.map_or("?", String::as_str);
            problems.push(format!("slot {} ({name}): ends before it starts", row.id));
        }
    }
    Ok(problems)
}
