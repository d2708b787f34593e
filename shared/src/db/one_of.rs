//! A condition on many values, in few statements: a connection keeps those it has seen last.

use sea_orm::{
    ColumnTrait, DbBackend, Value,
    sea_query::{Expr, postgres_array::NotU8},
};

/// Of more values none is said twice: SQLite takes 32,766 in a statement, which may have several of these conditions.
const MOST: usize = 512;

/// Whether `column` is one of `values`. With arrays, where the engine has them, it is the same statement for any
/// number of them; without, for any up to the next power of two.
pub fn one_of<V>(
    backend: DbBackend,
    column: impl ColumnTrait,
    values: impl IntoIterator<Item = V>,
) -> Expr
where
    V: Into<Value> + NotU8,
{
    match backend {
        DbBackend::Postgres => column.eq_any(values),
        _ => column.is_in(filled_up(values.into_iter().map(Into::into).collect())),
    }
}

/// The last is said once more, until there are as many as a power of two.
fn filled_up(mut values: Vec<Value>) -> Vec<Value> {
    if let Some(last) = values.last().cloned()
        && values.len() <= MOST
    {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}

#[cfg(test)]
mod tests {
    use sea_orm::{EntityTrait, QueryFilter, QueryTrait};
    use uuid::Uuid;

    use super::*;
    use crate::db::booking;

    fn statements(backend: DbBackend) -> usize {
        let statement = |number| {
            let ids = (0..number).map(Uuid::from_u128);
            let condition = one_of(backend, booking::Column::Id, ids);
            booking::Entity::find().filter(condition).build(backend).sql
        };
        let mut all: Vec<String> = (1..=64).map(statement).collect();
        all.dedup();
        all.len()
    }

    #[test]
    fn however_many_values_there_are_the_statements_are_few() {
        assert_eq!(statements(DbBackend::Postgres), 1);
        assert_eq!(
            statements(DbBackend::Sqlite),
            7,
            "1, 2, 4 and so on up to 64"
        );
    }
}
