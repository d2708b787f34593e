//! Reading the tables that people fill by hand: a row that cannot be read costs that row only.

use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryResult, QueryTrait, Select,
};
use uuid::Uuid;

/// A row of the catalogue that is not what the table should hold.
#[derive(Debug)]
pub struct UnreadableRow {
    /// Its id, as far as it can be read.
    pub id: String,
    /// Why it cannot be read.
    pub error: DbErr,
}

/// The rows that `select` finds: those that can be read, and the others.
pub async fn readable<E: EntityTrait>(
    conn: &impl ConnectionTrait,
    select: Select<E>,
) -> Result<(Vec<E::Model>, Vec<UnreadableRow>), DbErr> {
    let rows = conn.query_all(&select.into_query()).await?;
    Ok(sort_out::<E>(rows))
}

/// Of `rows` of the table of `E`, those that can be read, and the others.
pub fn sort_out<E: EntityTrait>(rows: Vec<QueryResult>) -> (Vec<E::Model>, Vec<UnreadableRow>) {
    let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
    for row in rows {
        match E::Model::from_query_result(&row, "") {
            Ok(model) => readable.push(model),
            Err(error) => unreadable.push(UnreadableRow {
                id: id_of(&row),
                error,
            }),
        }
    }
    (readable, unreadable)
}

fn id_of(row: &QueryResult) -> String {
    let uuid = row.try_get::<Uuid>("", "id").map(|id| id.to_string());
    let text = || row.try_get::<String>("", "id");
    uuid.or_else(|_| text())
        .unwrap_or_else(|_| "unknown".to_owned())
}
