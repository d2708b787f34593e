//! The file of an SQLite database, with names and addresses in it, is for its owner alone.

use std::{
    fs::OpenOptions,
    io::{Error, ErrorKind},
    str::FromStr,
};

use secrecy::ExposeSecret;
use sqlx::sqlite::SqliteConnectOptions;

use crate::config::DatabaseSettings;

/// Creates it, if the database is a file that is not there: SQLite itself would let others read it, and its log
/// has the rights of the file.
///
/// # Errors
///
/// It cannot be created.
pub fn create_private_file(settings: &DatabaseSettings) -> Result<(), Error> {
    let url = settings.url.expose_secret();
    if !settings.is_sqlite() || url.contains(":memory:") {
        return Ok(());
    }
    let options = SqliteConnectOptions::from_str(url).map_err(Error::other)?;
    let mut new = OpenOptions::new();
    new.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
    match new.open(options.get_filename()) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        opened => opened.map(drop),
    }
}
