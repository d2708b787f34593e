//! The site's own table against ours: each row has its booking and its payment, and the reverse.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

/// Rows that one side lacks, or that say something else.
const DIFFERENCES: &str = "
    SELECT concat_ws(' ', coalesce(ours.reference, theirs.reference),
        'is', coalesce(ours.status, 'nothing'), 'here and',
        coalesce(theirs.status, 'nothing'), 'in the site''s table') AS difference
    FROM booking AS ours
    JOIN payment ON payment.checkout_id = ours.checkout_id
    FULL JOIN public.bookings AS theirs
        ON theirs.reference = ours.reference
        AND theirs.document #>> '{payment,id}' = payment.id::text
    WHERE ours.status IS DISTINCT FROM theirs.status";

/// In words, a line each.
pub async fn differences(db: &DatabaseConnection) -> anyhow::Result<Vec<String>> {
    let query = Statement::from_string(DbBackend::Postgres, DIFFERENCES);
    let rows = db.query_all_raw(query).await?;
    let lines = rows.iter().map(|row| row.try_get("", "difference"));
    Ok(lines.collect::<Result<_, _>>()?)
}
