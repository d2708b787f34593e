//! The shop's pages: files inside the binary, no build step, filled in once for the merchant.

use std::collections::BTreeMap;

use axum::{
    Router,
    body::Bytes,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use minijinja::{Environment, UndefinedBehavior, context, value::Serde};
use shared::config::{Logo, ShopSettings};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::{
    Ingress,
    http::{error::ApiError, shop_css::shop_css},
};

/// Nothing from elsewhere, nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Fetched anew every time: after a new release no browser runs the old script.
const EVERY_TIME: &str = "no-cache";
/// What does not come with a release.
const FOR_AN_HOUR: &str = "max-age=3600";

macro_rules! source {
    ($file:literal) => {
        ($file, include_str!(concat!("../../pages/", $file)))
    };
}

macro_rules! asset {
    ($kind:expr, $file:literal) => {
        (
            concat!("/assets/", $file),
            $kind,
            include_str!(concat!("../../pages/", $file)),
        )
    };
}

const LAYOUT: (&str, &str) = source!("layout.html");
const NOT_FOUND: (&str, &str) = source!("not-found.html");

/// Where each page is, and its template.
const PAGES: [(&str, (&str, &str)); 5] = [
    ("/", source!("shop.html")),
    ("/payment-success", source!("payment-success.html")),
    ("/payment-cancelled", source!("payment-cancelled.html")),
    ("/booking", source!("booking.html")),
    ("/docs", source!("docs.html")),
];

/// What pages load.
const ASSETS: [(&str, &str, &str); 17] = [
    asset!(CSS, "bookonce.css"),
    asset!(SVG, "icon.svg"),
    asset!(JAVASCRIPT, "booking.js"),
    asset!(JAVASCRIPT, "confirm.js"),
    asset!(JAVASCRIPT, "docs.js"),
    asset!(JAVASCRIPT, "format.js"),
    asset!(JAVASCRIPT, "language.js"),
    asset!(JAVASCRIPT, "offerings.js"),
    asset!(JAVASCRIPT, "open-checkout.js"),
    asset!(JAVASCRIPT, "order.js"),
    asset!(JAVASCRIPT, "payment-cancelled.js"),
    asset!(JAVASCRIPT, "payment-success.js"),
    asset!(JAVASCRIPT, "shop.js"),
    asset!(JAVASCRIPT, "words/de.js"),
    asset!(JAVASCRIPT, "words/en.js"),
    asset!(JAVASCRIPT, "words/es.js"),
    asset!(JAVASCRIPT, "words/fr.js"),
];

/// The pages of one merchant.
pub struct Pages {
    by_path: BTreeMap<&'static str, Bytes>,
    not_found: Bytes,
    css: Option<String>,
    logo: Option<Logo>,
}

impl Pages {
    /// Fills in what `shop` says of itself.
    ///
    /// # Errors
    ///
    /// A template cannot be filled.
    pub fn new(shop: &ShopSettings) -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in [LAYOUT, NOT_FOUND].into_iter().chain(PAGES.map(|it| it.1)) {
            environment.add_template(name, source)?;
        }
        let render = |(name, _): (&str, &str)| -> Result<Bytes, minijinja::Error> {
            let shop = Serde(shop);
            let html = environment.get_template(name)?.render(context! { shop });
            Ok(html?.into())
        };
        let pages = PAGES.into_iter();
        let pages = pages.map(|(path, template)| Ok((path, render(template)?)));
        Ok(Self {
            by_path: pages.collect::<Result<_, minijinja::Error>>()?,
            not_found: render(NOT_FOUND)?,
            css: shop.colour.map(shop_css),
            logo: shop.logo.clone(),
        })
    }

    /// The pages and what they load.
    pub fn router(&self) -> Router<Ingress> {
        let mut router = Router::new();
        for (path, html) in self.by_path.clone() {
            router = router.route(path, get(async move || file(HTML, html)));
        }
        for (path, kind, content) in ASSETS {
            router = router.route(path, get(async move || file(kind, content)));
        }
        if let Some(css) = self.css.clone() {
            router = router.route("/assets/shop.css", get(async move || file(CSS, css)));
        }
        if let Some(Logo { bytes, media_type }) = self.logo.clone() {
            let bytes = Bytes::from_owner(bytes);
            let logo = async move || with_headers(media_type, FOR_AN_HOUR, bytes);
            router = router.route("/assets/logo", get(logo));
        }
        router.layer(SetResponseHeaderLayer::overriding(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(CONTENT_SECURITY_POLICY),
        ))
    }

    /// What is at no address: a page for a person in a browser, a problem for a program.
    pub fn not_found(&self, request: &Request) -> Response {
        let accepts = request.headers().get(header::ACCEPT);
        let accepts = accepts.and_then(|it| it.to_str().ok()).unwrap_or_default();
        let is_api = request.uri().path().starts_with("/api");
        if request.method() != Method::GET || is_api || !accepts.contains("text/html") {
            return ApiError::NotFound.into_response();
        }
        let page = file(HTML, self.not_found.clone());
        let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
        let policy = [(header::CONTENT_SECURITY_POLICY, policy)];
        (StatusCode::NOT_FOUND, policy, page).into_response()
    }
}

fn file(kind: &'static str, content: impl IntoResponse) -> Response {
    with_headers(kind, EVERY_TIME, content)
}

fn with_headers(kind: &'static str, cached: &'static str, content: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, cached),
    ];
    (headers, content).into_response()
}
