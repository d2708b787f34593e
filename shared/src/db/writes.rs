//! What a transaction writes in the end: gathered first, then written with as few statements as
//! the engine allows.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, Iterable,
    PrimaryKeyToColumn, QueryFilter, QueryTrait, UpdateMany, Value,
    sea_query::{
        Alias, CommonTableExpression, Func, InsertStatement, Query, SubQueryStatement,
        UpdateStatement, WithClause,
    },
};

/// Statements that do not depend on each other. None changes a row that another one writes.
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
    #[must_use]
    pub fn new(backend: DbBackend) -> Self {
        Self {
            backend,
            statements: Vec::new(),
        }
    }

    /// The engine they are for.
    #[must_use]
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

    /// A row that is there already.
    pub fn update_row<A: ActiveModelTrait>(&mut self, row: A) {
        let mut update = A::Entity::update_many();
        for key in <A::Entity as EntityTrait>::PrimaryKey::iter() {
            let column = key.into_column();
            if let Some(value) = row.get(column).into_value() {
                update = update.filter(column.eq(value));
            }
        }
        self.update(update.set(row));
    }

    /// Some columns of rows that are there already.
    pub fn update<E: EntityTrait>(&mut self, update: UpdateMany<E>) {
        self.statements.push(Write::Update(update.into_query()));
    }

    /// Writes them. A transaction is the caller's.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if one of them cannot be written.
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

/// One round trip for all: the statements of a `WITH` run even if nobody reads them.
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
/// once. Rows with other columns NULL are another one, because these arrays cannot hold any.
fn inserts_of_arrays<A: ActiveModelTrait>(rows: Vec<A>) -> Result<Vec<InsertStatement>, DbErr> {
    let mut tables: BTreeMap<Vec<usize>, Vec<Vec<Value>>> = BTreeMap::new();
    for row in rows {
        let (numbers, values): (Vec<_>, Vec<_>) = columns::<A>()
            .enumerate()
            .filter_map(|(n, column)| Some((n, row.get(column).into_value()?)))
            .filter(|(_, value)| value.is_some())
            .unzip();
        let table = tables.entry(numbers).or_default();
        table.resize_with(values.len(), Vec::new);
        for (array, value) in table.iter_mut().zip(values) {
            array.push(value);
        }
    }
    tables
        .into_iter()
        .map(|(numbers, arrays)| {
            let mut rows = Query::select();
            for array in arrays.into_iter().filter_map(array_of) {
                rows.expr(Func::cust("unnest").arg(array));
            }
            let named = columns::<A>().enumerate();
            let named = named.filter_map(|(n, column)| numbers.contains(&n).then_some(column));
            let mut insert = Query::insert();
            insert.into_table(A::Entity::default()).columns(named);
            insert
                .select_from(rows)
                .map_err(|error| DbErr::Custom(error.to_string()))?;
            Ok(insert)
        })
        .collect()
}

fn columns<A: ActiveModelTrait>() -> impl Iterator<Item = <A::Entity as EntityTrait>::Column> {
    <A::Entity as EntityTrait>::Column::iter()
}

fn array_of(values: Vec<Value>) -> Option<Value> {
    let kind = values.first()?.array_type();
    Some(Value::Array(kind, Some(Box::new(values))))
}

/// As many rows with one statement as a power of two has: a connection keeps each statement it
/// has seen, and so sees few of them.
fn inserts_of_rows<A: ActiveModelTrait>(rows: Vec<A>) -> Vec<InsertStatement> {
    let mut rows = rows.into_iter();
    let mut statements = Vec::new();
    while let Some(exponent) = rows.len().checked_ilog2() {
        let some = rows.by_ref().take(2_usize.saturating_pow(exponent));
        statements.push(A::Entity::insert_many(some).into_query());
    }
    statements
}
