//! The file that keeps the objects over a restart.

use std::{
    ffi::OsStr,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::store::Store;

/// A locked snapshot file: each of two stand-ins with one file would forget what the other sold.
pub struct Snapshot {
    path: PathBuf,
    /// Locked file beside the snapshot, because each write replaces the snapshot itself.
    _lock: File,
}

impl Snapshot {
    /// Locks the file and reads it.
    pub fn open(path: PathBuf) -> anyhow::Result<(Self, Store)> {
        let name = path.display().to_string();
        let lock = File::create(beside(&path, ".lock")).with_context(|| name.clone())?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("{name} is in use by another process"),
            Err(TryLockError::Error(error)) => return Err(error).context(name),
        }
        let store = match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).with_context(|| name)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Store::default(),
            Err(error) => return Err(error).context(name),
        };
        Ok((Self { path, _lock: lock }, store))
    }

    /// Writes a new file and renames it over the old one, so that a crash leaves one of them.
    pub fn write(&self, store: &Store) -> io::Result<()> {
        let unfinished = beside(&self.path, ".new");
        fs::write(&unfinished, serde_json::to_vec(store)?)?;
        fs::rename(unfinished, &self.path)
    }
}

fn beside(path: &Path, suffix: impl AsRef<OsStr>) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
