//! How the OpenAPI document describes the app's own users.

use utoipa::openapi::{RefOr, Schema};

/// Schemas, by their names.
pub(crate) type Schemas = Vec<(String, RefOr<Schema>)>;

/// The name under which the document has the `user` of login and profile.
pub(crate) const USER_SCHEMA: &str = "User";
