//! Backups of a test's database, made and restored as operators do.

use std::{path::Path, process::Command};

use sea_orm::ConnectionTrait;
use tempfile::TempDir;
use testkit::run_as_admin;

use crate::stack::Stack;

/// A copy of a database.
pub struct Backup(TempDir);

impl Backup {
    /// While services run.
    pub async fn make(stack: &Stack) -> Self {
        let backup = Self(TempDir::new().unwrap());
        let url = &stack.admin["DATABASE_URL"];
        if url.starts_with("sqlite:") {
            let copy = format!("VACUUM INTO '{}'", backup.file().display());
            stack.patient_db.execute_unprepared(&copy).await.unwrap();
        } else {
            let file = backup.file();
            run("pg_dump", &["--format=custom", "--file", text(&file), url]);
        }
        backup
    }

    /// In the place of the database, which no service uses now. What it held since is gone.
    pub async fn restore(self, stack: &mut Stack) {
        let url = stack.admin["DATABASE_URL"].clone();
        for pool in [&stack.db, &stack.worker_db, &stack.patient_db] {
            pool.clone().close().await.unwrap();
        }
        if let Some(file) = url.strip_prefix("sqlite://") {
            for rest in ["-wal", "-shm"] {
                std::fs::remove_file(format!("{file}{rest}")).ok();
            }
            std::fs::copy(self.file(), file).unwrap();
        } else {
            let (server, name) = url.rsplit_once('/').unwrap();
            let anew = [
                format!("DROP DATABASE {name} WITH (FORCE)"),
                format!("CREATE DATABASE {name}"),
            ];
            let anew = anew.each_ref().map(String::as_str);
            run_as_admin(&format!("{server}/postgres"), &anew)
                .await
                .unwrap();
            run(
                "pg_restore",
                &["--exit-on-error", "--dbname", &url, text(&self.file())],
            );
        }
        stack.reconnect().await;
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("backup")
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A program of PostgreSQL's, of the newest that is installed.
fn run(program: &str, arguments: &[&str]) {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let versions = versions.filter_map(Result::ok).map(|it| it.path());
    let newest = versions.max_by_key(|it| {
        let version = it.file_name().and_then(|it| it.to_str());
        version.and_then(|it| it.parse::<u32>().ok())
    });
    let program = newest.map_or_else(|| program.into(), |it| it.join("bin").join(program));
    let status = Command::new(&program).args(arguments).status().unwrap();
    assert!(status.success(), "{}", program.display());
}
