//! What kind of failure the database reports.

use sea_orm::DbErr;

/// The code and the words with which the database itself refused a statement, if it did.
pub fn refusal(error: &DbErr) -> Option<(String, String)> {
    let (DbErr::Exec(cause) | DbErr::Query(cause)) = error else {
        return None;
    };
    let sea_orm::RuntimeErr::SqlxError(error) = cause else {
        return None;
    };
    let refused = error.as_database_error()?;
    let code = refused.code().unwrap_or_default().into_owned();
    Some((code, refused.message().to_owned()))
}

const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_IOERR: u32 = 10;
const SQLITE_FULL: u32 = 13;
const SQLITE_CANTOPEN: u32 = 14;

/// Why a statement failed, as far as it tells whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The database cannot be reached, is going down, is full or takes no writes.
    Outage,
    /// Another transaction was in the way: a serialization failure, a deadlock, a lock not to
    /// be had in time.
    Contention,
    /// A violated constraint, a missing table, a value that does not fit: it will not pass.
    Lasting,
}

/// What [`write_lock`](super::write_lock) waits for in vain.
const LOCKED: &str = "database is locked: others of this process write";

/// The file was not to be had for writing, in time.
pub(super) fn locked() -> DbErr {
    DbErr::Custom(LOCKED.to_owned())
}

/// What kind of trouble `error` is.
///
/// Source: <https://www.postgresql.org/docs/current/errcodes-appendix.html>,
/// <https://www.sqlite.org/rescode.html>
pub fn trouble(error: &DbErr) -> Trouble {
    let cause = match error {
        DbErr::Exec(cause) | DbErr::Query(cause) => cause,
        DbErr::Custom(text) if text == LOCKED => return Trouble::Contention,
        DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => return Trouble::Outage,
        _ => return Trouble::Lasting,
    };
    let sea_orm::RuntimeErr::SqlxError(error) = cause else {
        return Trouble::Outage;
    };
    match error.as_ref() {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            // SQLite's codes are numbers; the low byte is the family.
            if let Ok(sqlite) = code.parse::<u32>()
                && code.len() < 5
            {
                return match sqlite & 0xff {
                    SQLITE_BUSY | SQLITE_LOCKED => Trouble::Contention,
                    SQLITE_READONLY | SQLITE_IOERR | SQLITE_FULL | SQLITE_CANTOPEN => {
                        Trouble::Outage
                    }
                    _ => Trouble::Lasting,
                };
            }
            match (code.get(..2).unwrap_or_default(), code.as_ref()) {
                ("40", _) | (_, "55P03" | "57014") => Trouble::Contention,
                // Of the database, or of the way there: it lets us in no more.
                ("08" | "28" | "3D" | "53" | "57" | "58", _) | (_, "55000" | "25006") => {
                    Trouble::Outage
                }
                _ => Trouble::Lasting,
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Trouble::Outage,
        _ => Trouble::Lasting,
    }
}
