//! The console and its API: who gets in, that it does what the commands do, and how it is to use.

mod access;
mod api;
mod browser;
mod checks;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use testkit::Variables;

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
