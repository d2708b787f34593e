//! Many new rows of one table.

use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait};

/// Inserts `rows`, as many of them with one statement as a power of two has: a connection keeps
/// a plan for each number of rows, and so needs few of them.
///
/// # Errors
///
/// [`DbErr`] if one of them cannot be inserted. Some may be there by then: a transaction is the
/// caller's.
pub async fn insert_all<A>(conn: &impl ConnectionTrait, rows: Vec<A>) -> Result<(), DbErr>
where
    A: ActiveModelTrait,
{
    let mut rows = rows.into_iter();
    while let Some(exponent) = rows.len().checked_ilog2() {
        let some: Vec<A> = rows
            .by_ref()
            .take(2_usize.saturating_pow(exponent))
            .collect();
        A::Entity::insert_many(some)
            .exec_without_returning(conn)
            .await?;
    }
    Ok(())
}
