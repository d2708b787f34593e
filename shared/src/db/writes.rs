//! What a transaction writes in the end: gathered first, then written with as few statements as
//! the engine allows.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, Iterable, QueryTrait,
    UpdateMany, Value,
    sea_query::{
        Alias, CommonTableExpression, Func, InsertStatement, Query, SubQueryStatement,
        UpdateStatement, WithClause,
    },
};

/// Statements that do not depend on each other. No two of them may write the same row: PostgreSQL
/// would keep one of the changes, and does not say which.
#[derive(Debug)]
pub struct Writes {
    backend: DbBackend,
    statements: Vec<Write>,
}

#[derive(Debug)]
enum Write {
    Insert(InsertStatement),
    Update(UpdateStatement),
}

impl From<Write> for SubQueryStatement {
    fn from(write: Write) -> Self {
        match write {
            Write::Insert(statement) => statement.into(),
            Write::Update(statement) => statement.into(),
        }
    }
}

impl Writes {
    /// None yet.
    pub fn new(backend: DbBackend) -> Self {
        Self {
            backend,
            statements: Vec::new(),
        }
    }

    /// The engine they are for.
    pub fn backend(&self) -> DbBackend {
        self.backend
    }

    /// New rows of one table.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if no statement can be made of them.
    pub fn insert<A: ActiveModelTrait>(&mut self, rows: Vec<A>) -> Result<(), DbErr> {
        let statements = match self.backend {
            DbBackend::Postgres => inserts_of_arrays(rows)?,
            _ => inserts_of_rows(rows),
        };
        let inserts = statements.into_iter().map(Write::Insert);
        self.statements.extend(inserts);
        Ok(())
    }

    /// Some columns of rows that are there already.
    pub fn update<E: EntityTrait>(&mut self, update: UpdateMany<E>) {
        self.statements.push(Write::Update(update.into_query()));
    }

    /// Writes them. A transaction is the caller's.
    pub async fn run(mut self, conn: &impl ConnectionTrait) -> Result<(), DbErr> {
        if self.backend == DbBackend::Postgres
            && self.statements.len() > 1
            && let Some(last) = self.statements.pop()
        {
            let all = all_but_last(self.statements).query(last);
            return conn.execute(&all).await.map(drop);
        }
        for statement in &self.statements {
            match statement {
                Write::Insert(statement) => conn.execute(statement).await?,
                Write::Update(statement) => conn.execute(statement).await?,
            };
        }
        Ok(())
    }
}

/// One round trip for all: the statements of a `WITH` run even if their rows are not read.
///
/// Source: <https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING>
fn all_but_last(statements: Vec<Write>) -> WithClause {
    let mut with = WithClause::new();
    for (n, statement) in statements.into_iter().enumerate() {
        let mut one = CommonTableExpression::new();
        one.table_name(Alias::new(format!("write_{n}")))
            .query(statement);
        with.cte(one);
    }
    with
}

/// An array for each column: however many rows, it is one statement, and a connection plans it
/// once. These arrays cannot hold a NULL, so that a column without a value is left out, and rows
/// that lack other columns are another statement. No column here has another default than NULL.
fn inserts_of_arrays<A: ActiveModelTrait>(rows: Vec<A>) -> Result<Vec<InsertStatement>, DbErr> {
    let mut alike: BTreeMap<Vec<usize>, Vec<Vec<Value>>> = BTreeMap::new();
    for row in rows {
        let (positions, values): (Vec<_>, Vec<_>) = columns::<A>()
            .enumerate()
            .filter_map(|(position, column)| Some((position, row.get(column).into_value()?)))
            .filter(|(_, value)| value.is_some())
            .unzip();
        let arrays = alike.entry(positions).or_default();
        arrays.resize_with(values.len(), Vec::new);
        for (array, value) in arrays.iter_mut().zip(values) {
            array.push(value);
        }
    }
    let insert = |(positions, arrays): (Vec<usize>, Vec<Vec<Value>>)| {
        let mut rows = Query::select();
        for array in arrays.into_iter().filter_map(array_of) {
            rows.expr(Func::cust("unnest").arg(array));
        }
        let filled = columns::<A>()
            .enumerate()
            .filter_map(|(position, column)| positions.contains(&position).then_some(column));
        let mut insert = Query::insert();
        insert.into_table(A::Entity::default()).columns(filled);
        insert
            .select_from(rows)
            .map_err(|error| DbErr::Custom(error.to_string()))?;
        Ok(insert)
    };
    alike.into_iter().map(insert).collect()
}

fn columns<A: ActiveModelTrait>() -> impl Iterator<Item = <A::Entity as EntityTrait>::Column> {
    <A::Entity as EntityTrait>::Column::iter()
}

fn array_of(values: Vec<Value>) -> Option<Value> {
    let kind = values.first()?.array_type();
    Some(Value::Array(kind, Some(Box::new(values))))
}

/// SQLite would take a thousand of the longest rows here, but a connection keeps the statements it has seen last, each
/// with room for all of its values.
const MOST_ROWS: usize = 64;

/// As many rows with one statement as a power of two has, so that a connection sees few of them.
fn inserts_of_rows<A: ActiveModelTrait>(rows: Vec<A>) -> Vec<InsertStatement> {
    let mut rows = rows.into_iter();
    let mut statements = Vec::new();
    while let Some(exponent) = rows.len().checked_ilog2() {
        let number = 2_usize.saturating_pow(exponent).min(MOST_ROWS);
        let some = rows.by_ref().take(number);
        statements.push(A::Entity::insert_many(some).into_query());
    }
    statements
}
