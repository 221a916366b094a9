//! What must not compile. Each example stands beside its twin, which differs in one place and
//! compiles, so that none fails for another reason than its own.

/// A router that was made private cannot be mounted once more as it was.
///
/// ```
/// use axum::{Router, routing::get};
///
/// fn app(auth: &countersign::Auth) -> Router {
///     let private = Router::new().route("/me", get(|| async { "you" }));
///     let public = Router::new().route("/", get(|| async { "all" }));
///     auth.protect(private).merge(public)
/// }
/// ```
///
/// ```compile_fail,E0382
/// use axum::{Router, routing::get};
///
/// fn app(auth: &countersign::Auth) -> Router {
///     let private = Router::new().route("/me", get(|| async { "you" }));
///     let public = Router::new().route("/", get(|| async { "all" }));
///     auth.protect(private).merge(private)
/// }
/// ```
mod a_private_router_is_gone_when_it_is_protected {}

/// A part of the app is protected by a permission, not by what a test of one would be.
///
/// ```
/// use axum::Router;
/// use countersign::permission::IsStaff;
///
/// fn app(auth: &countersign::Auth, reports: Router) -> Router {
///     auth.protect_with(IsStaff, reports)
/// }
/// ```
///
/// ```compile_fail,E0277
/// use axum::Router;
/// use countersign::permission::IsStaff;
///
/// fn app(auth: &countersign::Auth, reports: Router) -> Router {
///     auth.protect_with(true, reports)
/// }
/// ```
mod only_a_permission_protects {}

/// A handler's current user is an account, and no other row.
///
/// ```
/// use axum::{Router, routing::get};
/// use countersign::CurrentUser;
/// use countersign::user::User;
///
/// async fn me(me: CurrentUser<User>) {}
/// let app: Router = Router::new().route("/me", get(me));
/// ```
///
/// ```compile_fail,E0277
/// use axum::{Router, routing::get};
/// use countersign::CurrentUser;
/// use countersign::user::User;
///
/// struct Invoice;
/// async fn me(me: CurrentUser<Invoice>) {}
/// let app: Router = Router::new().route("/me", get(me));
/// ```
mod only_an_account_is_a_current_user {}

/// Nobody makes a current user, or what a permission was asked of, out of what they have.
///
/// ```
/// use countersign::{CurrentUser, Identity};
/// use countersign::user::User;
///
/// fn of(user: CurrentUser<User>) -> CurrentUser<User> {
///     user
/// }
/// ```
///
/// ```compile_fail,E0451
/// use countersign::{CurrentUser, Identity};
/// use countersign::user::User;
///
/// fn of(identity: Identity) -> CurrentUser<User> {
///     CurrentUser { identity, user: std::marker::PhantomData }
/// }
/// ```
///
/// ```compile_fail,E0451
/// use countersign::{Identity, Permitted};
/// use countersign::permission::IsStaff;
///
/// fn of(identity: Identity) -> Permitted<IsStaff> {
///     Permitted { identity, permission: std::marker::PhantomData }
/// }
/// ```
mod who_is_asking_is_found_and_never_made {}

/// What a handler asks permission for is a permission.
///
/// ```
/// use axum::{Router, routing::get};
/// use countersign::Permitted;
/// use countersign::permission::IsStaff;
///
/// async fn report(who: Permitted<IsStaff>) {}
/// let app: Router = Router::new().route("/report", get(report));
/// ```
///
/// ```compile_fail,E0277
/// use axum::{Router, routing::get};
/// use countersign::Permitted;
/// use countersign::permission::IsStaff;
///
/// async fn report(who: Permitted<String>) {}
/// let app: Router = Router::new().route("/report", get(report));
/// ```
mod only_a_permission_is_permitted {}

/// A layer that requires a permission requires one that is there.
///
/// ```
/// use countersign::permission::HasPerm;
/// use countersign::require;
///
/// let layer = require(HasPerm("articles.publish"));
/// ```
///
/// ```compile_fail,E0277
/// use countersign::permission::HasPerm;
/// use countersign::require;
///
/// let layer = require("articles.publish");
/// ```
mod a_name_is_no_permission {}

/// An error of a database driver becomes a store's by its text. A conversion would make each new
/// driver a break.
///
/// ```
/// use countersign::store::StoreError;
///
/// fn of(error: rusqlite::Error) -> StoreError {
///     StoreError::failed(error)
/// }
/// ```
///
/// ```compile_fail,E0277
/// use countersign::store::StoreError;
///
/// fn of(error: rusqlite::Error) -> StoreError {
///     error.into()
/// }
/// ```
///
/// ```compile_fail,E0277
/// use countersign::store::StoreError;
///
/// fn of(error: tokio_postgres::Error) -> StoreError {
///     error.into()
/// }
/// ```
mod no_driver_error_becomes_an_error_of_the_store_by_itself {}
