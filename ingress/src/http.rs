//! HTTP as this service speaks it: routes, errors, bodies, pages, and who asks.

pub mod client_address;
pub mod error;
pub mod from_site;
pub mod openapi;
pub mod pages;
pub mod problem;
pub mod request_json;
pub mod router;
mod shop_css;
pub mod whole_body;
