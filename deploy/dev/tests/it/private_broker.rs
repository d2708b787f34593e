//! A RabbitMQ of a test's own.

use std::process::Command;

use tempfile::TempDir;

use crate::stack::signal;

/// A broker of the test's own, which may be killed.
pub struct PrivateBroker {
    pub url: String,
    folder: TempDir,
}

impl PrivateBroker {
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let url = services("start-rabbitmq", &folder);
        Self { url, folder }
    }

    pub fn pid(&self) -> u32 {
        services("pid-rabbitmq", &self.folder)
            .trim()
            .parse()
            .unwrap()
    }

    pub fn kill(&self) {
        signal("KILL", self.pid());
    }

    pub fn start_again(&self) {
        services("start-rabbitmq", &self.folder);
    }
}

impl Drop for PrivateBroker {
    fn drop(&mut self) {
        services("stop", &self.folder);
    }
}

fn services(command: &str, folder: &TempDir) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../services");
    let output = Command::new(script)
        .arg(command)
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
