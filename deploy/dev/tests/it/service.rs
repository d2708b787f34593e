//! A service as a process, with its probes.

use std::{
    fs::File,
    path::Path,
    process::{Command, ExitStatus, Output, Stdio},
};

use reqwest::StatusCode;
use testkit::{Process, Role, Variables, as_role, binary, free_port};

use crate::shop::eventually;

/// The program `name`, with an environment that is the test's alone: a developer's own
/// `DATABASE_URL` must not lead it anywhere.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(binary(name).unwrap());
    command.env_clear();
    command
}

/// The program `name` as an operator starts it, with all that a shop's programs are given.
pub fn program(name: &str, arguments: &[&str], variables: &Variables) -> Command {
    let mut command = command(name);
    let variables = as_role(variables, Role::of(name, arguments));
    command.args(arguments).envs(variables);
    command
}

/// What such a program says until it ends.
pub async fn run(name: &str, arguments: &[&str], variables: &Variables) -> Output {
    let mut command = program(name, arguments, variables);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

/// Also what is silent unless it is named.
pub const EVERYTHING: &str =
    "trace,lapin=trace,sea_orm=trace,sqlx=trace,stripe::hyper=trace,stripe_shared=trace";

/// A service that is killed when the test ends.
pub struct Service {
    pub process: Process,
    admin: String,
}

impl Service {
    /// - `variables`: all but where its probes listen.
    pub fn start(name: &str, variables: &Variables) -> Self {
        Self::start_on("127.0.0.1", name, variables)
    }

    /// With its probes where other machines reach them.
    pub fn start_on_all_interfaces(name: &str, variables: &Variables) -> Self {
        Self::start_on("0.0.0.0", name, variables)
    }

    /// - `log`: where it writes all there is to write.
    pub fn start_at_trace(name: &str, variables: &Variables, log: &Path) -> Self {
        let mut command = program(name, &[], variables);
        let log = File::create(log).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Self::start_with_log("127.0.0.1", command, EVERYTHING)
    }

    /// - `files`: how many it may have open.
    /// - `log`: where it writes.
    pub fn start_with_few_files(
        name: &str,
        variables: &Variables,
        files: usize,
        log: &Path,
    ) -> Self {
        let program = program(name, &[], variables);
        let mut command = Command::new("sh");
        let variables = program.get_envs();
        command
            .env_clear()
            .envs(variables.filter_map(|(name, value)| Some((name, value?))))
            .arg("-c")
            .arg(format!("ulimit -n {files}; exec \"$0\""))
            .arg(program.get_program())
            .stdout(Stdio::null())
            .stderr(File::create(log).unwrap());
        Self::start_command("127.0.0.1", command)
    }

    fn start_on(address: &str, name: &str, variables: &Variables) -> Self {
        let mut command = program(name, &[], variables);
        command.stdout(Stdio::null());
        Self::start_command(address, command)
    }

    fn start_command(address: &str, command: Command) -> Self {
        Self::start_with_log(address, command, "warn")
    }

    fn start_with_log(address: &str, mut command: Command, filter: &str) -> Self {
        let port = free_port().unwrap();
        command
            .env("ADMIN_ADDR", format!("{address}:{port}"))
            .env("RUST_LOG", filter);
        let process = Process::start(&mut command).unwrap();
        let admin = format!("127.0.0.1:{port}");
        Self { process, admin }
    }

    pub fn kill(mut self) {
        self.process.kill().unwrap();
    }

    pub async fn terminate(self) -> ExitStatus {
        self.process.terminate().await.unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }

    /// What its probes answer, if they do.
    pub async fn get(&self, path: &str) -> Option<(StatusCode, String)> {
        let answer = reqwest::get(self.url(path)).await.ok()?;
        Some((answer.status(), answer.text().await.ok()?))
    }

    pub async fn is_ready(&self) -> bool {
        matches!(self.get("/readyz").await, Some((StatusCode::OK, _)))
    }

    pub async fn wait_until_ready(&self) {
        eventually("it is ready", async || self.is_ready().await).await;
    }
}
