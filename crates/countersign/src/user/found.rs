//! A user who was looked for, with what a given password is checked against.

use std::fmt;

use crate::password::EncodedPassword;

/// A user, and what a given password is checked against.
///
/// The line must be the same each time the row is read, until the password is changed. Another line
/// means another password: logins that are under way end, and so do links that were mailed. Where
/// the user has none, that is a fixed line which no password matches, or one that is kept in the
/// column, and not an [`unusable`](EncodedPassword::unusable) one that is drawn for each read.
///
/// ```
/// use countersign::password::EncodedPassword;
/// use countersign::user::{Account, FoundUser};
///
/// fn found<U: Account>(row: U, column: String) -> FoundUser<U> {
///     FoundUser { user: row, password: EncodedPassword::from_stored(column) }
/// }
///
/// fn of_another_provider<U: Account>(row: U) -> FoundUser<U> {
///     found(row, "!".to_owned())
/// }
/// ```
#[derive(Clone)]
pub struct FoundUser<U> {
    /// Who it is.
    pub user: U,
    /// The encoded password, in one of Django's encodings.
    pub password: EncodedPassword,
}

/// Without the row, which may hold the encoded password in a column of its own.
impl<U> fmt::Debug for FoundUser<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoundUser").field("password", &self.password).finish_non_exhaustive()
    }
}
