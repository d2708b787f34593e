//! What may write, one after the other where the engine has one writer: a transaction, or a connection for a
//! statement by itself.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::db::write_lock::{WriteLock, note_write, write_lock};

/// It writes while this lives.
#[derive(Debug)]
pub struct Writer<C> {
    // Dropped before the lock.
    conn: C,
    lock: WriteLock,
}

/// A transaction that writes. What is not committed is taken back.
pub type Transaction = Writer<DatabaseTransaction>;

/// For a statement that is no part of a transaction.
///
/// # Errors
///
/// [`DbErr`] if others write for too long.
pub async fn writer(db: &DatabaseConnection) -> Result<Writer<DatabaseConnection>, DbErr> {
    let lock = write_lock(db).await?;
    note_write(db);
    let conn = db.clone();
    Ok(Writer { conn, lock })
}

/// Begins a transaction that writes.
///
/// IMMEDIATE on SQLite: other processes may write as well, and a transaction that reads first and writes later
/// would fail at once instead of waiting for them.
///
/// # Errors
///
/// [`DbErr`] if others write for too long, or no connection is to be had.
pub async fn begin(db: &DatabaseConnection) -> Result<Transaction, DbErr> {
    let lock = write_lock(db).await?;
    note_write(db);
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..Default::default()
    };
    let conn = db.begin_with_options(options).await?;
    Ok(Writer { conn, lock })
}

impl Transaction {
    /// Writes it all.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if nothing may have been written.
    pub async fn commit(self) -> Result<(), DbErr> {
        let Self { conn, lock } = self;
        let committed = conn.commit().await;
        drop(lock);
        committed
    }

    /// Takes it all back.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the connection is lost, and with it what was written.
    pub async fn rollback(self) -> Result<(), DbErr> {
        let Self { conn, lock } = self;
        let taken_back = conn.rollback().await;
        drop(lock);
        taken_back
    }
}

#[async_trait::async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Writer<C> {
    fn get_database_backend(&self) -> DbBackend {
        self.conn.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.conn.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.conn.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.conn.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.conn.query_all_raw(statement).await
    }
}
