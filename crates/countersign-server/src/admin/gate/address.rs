//! What the address of a page says.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;

use crate::admin::kit::forms::Form;
use crate::admin::kit::page_error::{PageError, not_found};
use crate::admin::site::Admin;

/// What stands in the path for an id.
#[derive(Debug)]
pub(crate) struct Path(pub(crate) String);

impl FromRequestParts<Admin> for Path {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Response> {
        match axum::extract::Path::from_request_parts(parts, admin).await {
            Ok(axum::extract::Path(id)) => Ok(Self(id)),
            // What is no UTF-8 is nobody's id.
            Err(_) => Err(not_found().await),
        }
    }
}

/// The part of the address behind `?`.
#[derive(Debug)]
pub(crate) struct Query(pub(crate) Form);

impl FromRequestParts<Admin> for Query {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &Admin) -> Result<Self, PageError> {
        Form::parse(parts.uri.query().unwrap_or_default().as_bytes()).map(Self)
    }
}
