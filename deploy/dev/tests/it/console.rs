//! The console and its API: who gets in, that it does what the commands do, and how it is to use.

mod access;
mod bookings;
mod browser;
mod checks;
mod dead_letters;

use std::process::Command;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use testkit::{Role, Variables, as_role, binary};

use crate::{service::Service, shop::Shop};

/// A program that speaks to the console of one worker.
struct Program {
    worker: Service,
    http: reqwest::Client,
}

impl Program {
    async fn open(shop: &Shop) -> Self {
        Self::open_with(shop.variables()).await
    }

    async fn open_with(variables: Variables) -> Self {
        let worker = Service::start("worker", &variables);
        worker.wait_until_ready().await;
        let http = reqwest::Client::new();
        Self { worker, http }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = self.worker.url(&format!("/api/admin{path}"));
        self.http.request(method, url)
    }

    /// What comes, of which `status` is expected.
    async fn expect(
        &self,
        status: StatusCode,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Value {
        let mut request = self.request(method, path);
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let found = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(found, status, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.expect(StatusCode::OK, Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.expect(StatusCode::OK, Method::POST, path, Some(body))
            .await
    }

    async fn close(self) {
        self.worker.terminate().await;
    }
}

/// What the command says that the API gave, as a shell reads it; `more` stands behind it.
async fn typed(shop: &Shop, command: &Value, more: &str) -> String {
    let folder = binary("worker").unwrap();
    let folder = folder.parent().unwrap().to_owned();
    let line = format!(
        "PATH={}:$PATH {} {more}",
        folder.display(),
        command.as_str().unwrap()
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).env_clear().env("USER", "ada");
    let worker = as_role(&shop.variables(), Role::Worker);
    shell.env("PATH", "/usr/bin:/bin").envs(worker);
    let output = tokio::task::spawn_blocking(move || shell.output().unwrap());
    let output = output.await.unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}
