//! A transaction that writes, when it is its turn.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::db::turn::{Turn, turn};

/// A transaction that writes. What is not committed is taken back.
#[derive(Debug)]
pub struct Transaction {
    // Ends before the turn does.
    tx: DatabaseTransaction,
    turn: Turn,
}

impl Transaction {
    /// Begins, when it is its turn.
    ///
    /// IMMEDIATE on SQLite: other processes may write as well, and a transaction that reads first and writes
    /// later would fail at once instead of waiting for them.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if no connection is to be had.
    pub(super) async fn begin(db: &DatabaseConnection) -> Result<Self, DbErr> {
        let turn = turn(db).await?;
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        let tx = db.begin_with_options(options).await?;
        Ok(Self { tx, turn })
    }

    /// Writes it all.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if nothing may have been written.
    pub async fn commit(self) -> Result<(), DbErr> {
        let Self { tx, turn } = self;
        let committed = tx.commit().await;
        drop(turn);
        committed
    }

    /// Takes it all back.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the connection is lost, and with it what was written.
    pub async fn rollback(self) -> Result<(), DbErr> {
        let Self { tx, turn } = self;
        let taken_back = tx.rollback().await;
        drop(turn);
        taken_back
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.tx.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.tx.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.tx.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.tx.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.tx.query_all_raw(statement).await
    }
}
