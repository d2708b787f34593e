//! Who gets in.

use reqwest::{
    Method, StatusCode,
    header::{COOKIE, HOST, ORIGIN, SET_COOKIE},
};
use serde_json::{Value, json};

use super::Program;
use crate::{service::Service, shop::Shop, stack::Stack};

const TOKEN: &str = "admin-token-of-the-tests-0123456789";
const CSRF: &str = "X-CSRF-Token";

async fn said(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

/// The cookie and the token of a session.
async fn session(request: reqwest::RequestBuilder) -> (String, String) {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/api/admin"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let answer: Value = answer.json().await.unwrap();
    let csrf_token = answer["csrf_token"].as_str().unwrap().to_owned();
    (cookie.split(';').next().unwrap().to_owned(), csrf_token)
}

#[tokio::test(flavor = "multi_thread")]
async fn on_loopback_no_token_is_needed_and_no_other_site_gets_in() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let console = Program::open(&shop).await;
    let search = || {
        let request = console.request(Method::POST, "/bookings/search");
        request.json(&json!({ "word": "ada" }))
    };

    let (status, _) = said(search()).await;
    assert_eq!(status, StatusCode::OK, "a program on this machine");

    // DNS rebinding: a site whose name means this machine.
    for host in [
        "evil.example",
        "evil.example:8082",
        "127.0.0.1.evil.example",
        "",
    ] {
        for path in ["/overview", "/session", "/openapi.json"] {
            let request = console.request(Method::GET, path).header(HOST, host);
            let (status, problem) = said(request).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{host} {path}");
            assert_eq!(problem["code"], "wrong_host");
        }
    }
    // A proxy on this machine, and a picture on another site's page.
    for (name, value) in [
        ("X-Forwarded-For", "203.0.113.9"),
        ("Via", "1.1 proxy"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        let request = console.request(Method::GET, "/doctor").header(name, value);
        assert_eq!(said(request).await.1["code"], "wrong_host", "{name}");
    }
    // A page of another site that posts to this machine, with our cookie or without.
    let (cookie, csrf_token) = session(console.request(Method::GET, "/session")).await;
    let foreign = search().header(ORIGIN, "https://evil.example");
    assert_eq!(said(foreign).await.1["code"], "csrf_token_invalid");
    let foreign = search().header("Sec-Fetch-Site", "same-site");
    assert_eq!(said(foreign).await.1["code"], "csrf_token_invalid");
    let forged = search().header(COOKIE, &cookie);
    assert_eq!(said(forged).await.1["code"], "csrf_token_invalid");
    let forged = search()
        .header(COOKIE, &cookie)
        .header(CSRF, "0".repeat(64));
    assert_eq!(said(forged).await.1["code"], "csrf_token_invalid");
    let form = search()
        .header(COOKIE, &cookie)
        .header(CSRF, &csrf_token)
        .header("Content-Type", "text/plain")
        .body("{}");
    assert_eq!(said(form).await.0, StatusCode::BAD_REQUEST);
    let ours = search().header(COOKIE, &cookie).header(CSRF, &csrf_token);
    assert_eq!(said(ours).await.0, StatusCode::OK);

    // Nothing of it may be shown in a frame, and nothing runs that is not ours.
    let page = console
        .http
        .get(console.worker.url("/console"))
        .send()
        .await;
    let page = page.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    console.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_everything_else_is_refused() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let mut variables = shop.variables();
    variables.insert("ADMIN_TOKEN", TOKEN.to_owned());
    let console = Program::open_with(variables.clone()).await;
    let overview = || console.request(Method::GET, "/overview");
    let sign_in = |token: &str| {
        let request = console.request(Method::POST, "/session");
        request.json(&json!({ "token": token }))
    };

    for request in [
        overview(),
        console.request(Method::GET, "/session"),
        console.request(Method::GET, "/openapi.json"),
        overview().bearer_auth(""),
        overview().bearer_auth(&TOKEN[1..]),
        overview().bearer_auth(format!("{TOKEN}0")),
        overview().header(COOKIE, "bookonce_console=4102444800.00.00"),
        sign_in("guess"),
    ] {
        let (status, problem) = said(request).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{problem}");
        assert_eq!(problem["code"], "unauthorized");
    }
    assert_eq!(said(overview().bearer_auth(TOKEN)).await.0, StatusCode::OK);
    // A name of the worker's is as good as its address: the token says enough.
    let named = overview().bearer_auth(TOKEN).header(HOST, "worker.example");
    assert_eq!(said(named).await.0, StatusCode::OK);

    let (cookie, csrf_token) = session(sign_in(TOKEN)).await;
    let (end, rest) = cookie.split_once('.').unwrap();
    let later = end.replace("=1", "=2");
    let prolonged = overview().header(COOKIE, format!("{later}.{rest}"));
    assert_eq!(said(prolonged).await.0, StatusCode::UNAUTHORIZED);
    let with_cookie = overview().header(COOKIE, &cookie);
    assert_eq!(said(with_cookie).await.0, StatusCode::OK);

    // Another worker knows the session, and one with another token does not.
    let other = Program::open_with(variables.clone()).await;
    let search = |console: &Program| {
        let request = console.request(Method::POST, "/bookings/search");
        let request = request.json(&json!({ "word": "ada" }));
        request.header(COOKIE, &cookie).header(CSRF, &csrf_token)
    };
    assert_eq!(said(search(&other)).await.0, StatusCode::OK);
    variables.insert("ADMIN_TOKEN", format!("{TOKEN}-rotated"));
    let rotated = Program::open_with(variables).await;
    assert_eq!(said(search(&rotated)).await.0, StatusCode::UNAUTHORIZED);

    let end = console.request(Method::DELETE, "/session").send().await;
    let cookie = end.unwrap().headers()[SET_COOKIE]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(cookie.contains("Max-Age=0"), "{cookie}");
    for console in [console, other, rotated] {
        console.close().await;
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn off_loopback_without_a_token_there_is_no_console() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let worker = Service::start_on_all_interfaces("worker", &shop.variables());
    worker.wait_until_ready().await;

    for path in ["/api/admin/overview", "/api/admin/session"] {
        let (status, body) = worker.get(path).await.unwrap();
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(
            body.contains("console_off") && body.contains("ADMIN_TOKEN"),
            "{body}"
        );
    }
    let (status, _) = worker.get("/metrics").await.unwrap();
    assert_eq!(status, StatusCode::OK, "probes and metrics are as before");
    worker.terminate().await;
    shop.close().await;
}
