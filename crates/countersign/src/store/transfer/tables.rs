//! What is moved: the tables, their columns, and rows that no database's types are left in.

use serde_json::Value as Json;

use crate::store::StoreError;

/// A table as it stands in every store. A new one is added to [`TABLES`], or to [`NOT_MOVED`] with
/// the reason.
///
/// ```
/// use countersign::store::transfer::TABLES;
///
/// for table in TABLES {
///     assert!(table.key >= 1 && table.key <= table.columns.len());
/// }
/// ```
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// How many of the first columns tell its rows apart: integers all. Rows travel in their order.
    pub key: usize,
    /// Whether the first column is drawn from a sequence, which must go on behind what it has ever
    /// given out.
    pub numbered: bool,
    /// Its columns, but for those that the database computes.
    pub columns: &'static [Column],
}

/// A column.
///
/// ```
/// use countersign::store::transfer::TABLES;
///
/// let names: Vec<&str> = TABLES[0].columns.iter().map(|column| column.name).collect();
/// assert_eq!(names[0], "id");
/// ```
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its name in SQLite, where that is another.
    pub in_sqlite: &'static str,
    /// What stands in it.
    pub kind: Kind,
}

/// What stands in a column.
///
/// ```
/// use countersign::store::transfer::{Kind, TABLES};
///
/// assert!(TABLES.iter().flat_map(|table| table.columns).any(|column| column.kind == Kind::Date));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// Yes or no: 0 and 1 in SQLite.
    Boolean,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
    /// A date as Django has it: a text in SQLite, `timestamptz` in PostgreSQL; on the way
    /// microseconds since 1970.
    Date,
    /// A JSON object: a text in SQLite, `jsonb` in PostgreSQL.
    Json,
    /// The id of a user, or of something else: an integer where it is one in SQLite, its text
    /// everywhere else.
    Id,
}

/// What a row has in a column.
///
/// ```
/// use countersign::store::transfer::{Row, Value};
///
/// let row: Row =
///     vec![Value::Integer(7), Value::Text("ada".to_owned()), Value::Boolean(true), Value::Null];
/// assert_eq!(row[1], Value::Text("ada".to_owned()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number, or a date in microseconds.
    Integer(i64),
    /// Yes or no.
    Boolean(bool),
    /// A text, or an id.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// JSON as the database has it.
    Json(String),
}

/// The values of a row, one for each of its table's columns.
///
/// ```
/// use countersign::store::transfer::{Row, TABLES, Value};
///
/// let row: Row = vec![Value::Null; TABLES[0].columns.len()];
/// ```
pub type Row = Vec<Value>;

impl Table {
    /// What tells a row apart.
    ///
    /// ```
    /// use countersign::store::transfer::{TABLES, Value};
    ///
    /// let table = TABLES.iter().find(|table| table.key == 1).unwrap();
    /// let mut row = vec![Value::Null; table.columns.len()];
    /// row[0] = Value::Integer(7);
    /// assert_eq!(table.key_of(&row), [7]);
    /// ```
    pub fn key_of(&self, row: &Row) -> Vec<i64> {
        row.iter()
            .take(self.key)
            .map(|value| if let Value::Integer(number) = value { *number } else { 0 })
            .collect()
    }

    /// A row as bytes that are the same wherever it stands.
    ///
    /// # Errors
    /// [`StoreError::Failed`] for JSON that is none.
    pub(super) fn encode(row: &Row, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let mut bytes = |tag: u8, bytes: &[u8]| {
            out.push(tag);
            out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            out.extend_from_slice(bytes);
        };
        for value in row {
            match value {
                Value::Null => bytes(0, &[]),
                Value::Integer(number) => bytes(1, &number.to_be_bytes()),
                Value::Boolean(truth) => bytes(2, &[u8::from(*truth)]),
                Value::Text(text) => bytes(3, text.as_bytes()),
                Value::Bytes(raw) => bytes(4, raw),
                Value::Json(text) => bytes(5, canonical(text)?.as_bytes()),
            }
        }
        Ok(())
    }
}

impl Column {
    const fn in_sqlite(self, name: &'static str) -> Self {
        Self { in_sqlite: name, ..self }
    }
}

/// JSON with its keys in order and its numbers in one spelling: PostgreSQL keeps neither as they
/// were written.
fn canonical(text: &str) -> Result<String, StoreError> {
    let mut json: Json = serde_json::from_str(text)
        .map_err(|error| StoreError::Failed(format!("metadata that is no JSON: {error}")))?;
    respell(&mut json);
    json.sort_all_objects();
    Ok(json.to_string())
}

fn respell(json: &mut Json) {
    match json {
        Json::Number(number) => {
            // `1e5`, `100000.0` and `100000` are one number to PostgreSQL, which writes the digits
            // that it was given, and not others that stand for the same double.
            if let Some(float) =
                number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0)
            {
                let digits = float.to_string();
                if let Ok(digits) = digits.parse::<u64>() {
                    *number = digits.into();
                } else if let Ok(digits) = digits.parse::<i64>() {
                    *number = digits.into();
                }
            }
        }
        Json::Array(entries) => entries.iter_mut().for_each(respell),
        Json::Object(entries) => entries.values_mut().for_each(respell),
        Json::Null | Json::Bool(_) | Json::String(_) => {}
    }
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, in_sqlite: name, kind }
}

/// Every table that is moved: those that others refer to first, the feed last.
#[rustfmt::skip]
pub const TABLES: &[Table] = &[
    Table { name: "users", key: 1, numbered: true, columns: &[
        column("id", Kind::Integer),
        column("username", Kind::Text),
        column("username_folded", Kind::Text),
        column("email", Kind::Text),
        column("first_name", Kind::Text),
        column("last_name", Kind::Text),
        column("password", Kind::Text),
        column("is_active", Kind::Boolean),
        column("is_staff", Kind::Boolean),
        column("is_superuser", Kind::Boolean),
        column("date_joined", Kind::Date),
        column("last_login", Kind::Date),
        column("metadata", Kind::Json),
        column("email_verified", Kind::Boolean),
        column("locale", Kind::Text),
        column("deletion_at", Kind::Integer),
        column("factors", Kind::Integer),
        column("rehashes", Kind::Integer),
    ] },
    Table { name: "groups", key: 1, numbered: true, columns: &[column("id", Kind::Integer), column("name", Kind::Text)] },
    Table { name: "permissions", key: 1, numbered: true, columns: &[
        column("id", Kind::Integer),
        column("app", Kind::Text),
        column("codename", Kind::Text),
        column("name", Kind::Text),
    ] },
    Table { name: "user_groups", key: 2, numbered: false, columns: &[column("user_id", Kind::Integer), column("group_id", Kind::Integer)] },
    Table { name: "user_permissions", key: 2, numbered: false, columns: &[column("user_id", Kind::Integer), column("permission_id", Kind::Integer)] },
    Table { name: "group_permissions", key: 2, numbered: false, columns: &[column("group_id", Kind::Integer), column("permission_id", Kind::Integer)] },
    Table { name: "sessions", key: 1, numbered: false, columns: &[
        column("id", Kind::Integer),
        column("user_id", Kind::Id),
        column("generation", Kind::Integer),
        column("current_jti", Kind::Bytes),
        column("current_iat", Kind::Integer),
        column("current_since", Kind::Integer),
        column("race_credit", Kind::Integer),
        column("race_charged", Kind::Integer),
        column("mark_generation", Kind::Integer),
        column("mark_since", Kind::Integer),
        column("earlier_mark_generation", Kind::Integer),
        column("earlier_mark_since", Kind::Integer),
        column("created_at", Kind::Integer),
        column("last_used_at", Kind::Integer),
        column("expires_at", Kind::Integer),
        column("transport", Kind::Text),
        column("user_agent", Kind::Text),
        column("device_name", Kind::Text),
        column("ip", Kind::Text),
        column("revoked_at", Kind::Integer),
        column("revoked_reason", Kind::Text),
        column("steps", Kind::Bytes),
        column("amr", Kind::Text),
        column("auth_time", Kind::Integer),
        column("scope", Kind::Text),
        column("device_key", Kind::Text),
        column("device_kind", Kind::Text),
        column("device_confirmed_at", Kind::Integer),
        column("device_proof_at", Kind::Integer),
        column("new_device", Kind::Boolean),
    ] },
    Table { name: "factor_owners", key: 1, numbered: true, columns: &[
        column("id", Kind::Integer),
        column("user_id", Kind::Id),
        column("version", Kind::Integer),
    ] },
    Table { name: "factors", key: 1, numbered: false, columns: &[
        column("id", Kind::Integer),
        column("user_id", Kind::Id),
        column("kind", Kind::Text),
        column("name", Kind::Text),
        column("sealed", Kind::Bytes),
        column("last_step", Kind::Integer),
        column("created_at", Kind::Integer),
        column("confirmed_at", Kind::Integer),
        column("last_used_at", Kind::Integer),
        column("credential", Kind::Bytes),
        column("is_backed_up", Kind::Boolean),
        column("handle", Kind::Bytes),
    ] },
    Table { name: "recovery_codes", key: 1, numbered: false, columns: &[
        column("id", Kind::Integer),
        column("user_id", Kind::Id),
        column("hash", Kind::Bytes),
        column("made_at", Kind::Integer),
    ] },
    // By the order in which they were made, which counts where two were made in one moment.
    Table { name: "signing_keys", key: 1, numbered: true, columns: &[
        column("number", Kind::Integer).in_sqlite("rowid"),
        column("id", Kind::Bytes),
        column("algorithm", Kind::Text),
        column("created_at", Kind::Integer),
        column("activates_at", Kind::Integer),
        column("retires_at", Kind::Integer),
        column("sealed", Kind::Bytes),
    ] },
    Table { name: "audit_events", key: 1, numbered: true, columns: &[
        column("id", Kind::Integer),
        column("at", Kind::Integer),
        column("kind", Kind::Text),
        column("user_id", Kind::Id),
        column("session_id", Kind::Integer),
        column("actor_id", Kind::Id),
        column("actor", Kind::Text),
        column("ip", Kind::Text),
        column("detail", Kind::Text),
    ] },
    Table { name: "one_time_tokens", key: 1, numbered: false, columns: &[
        column("id", Kind::Integer),
        column("purpose", Kind::Text),
        column("user_id", Kind::Id),
        column("address", Kind::Text),
        column("secret_hash", Kind::Bytes),
        column("code_hash", Kind::Bytes),
        column("tries", Kind::Integer),
        column("fingerprint", Kind::Bytes),
        column("payload", Kind::Text),
        column("created_at", Kind::Integer),
        column("expires_at", Kind::Integer),
        column("used_at", Kind::Integer),
    ] },
    Table { name: "outbox", key: 1, numbered: false, columns: &[
        column("id", Kind::Integer),
        column("kind", Kind::Text),
        column("state", Kind::Text),
        column("user_id", Kind::Id),
        column("address", Kind::Text),
        column("sealed", Kind::Bytes),
        column("created_at", Kind::Integer),
        column("due_at", Kind::Integer),
        column("leased_until", Kind::Integer),
        column("tries", Kind::Integer),
        column("error", Kind::Text),
    ] },
    // In a target no hook is wanted yet, so that what comes with the move is told to nobody.
    Table { name: "hook_messages", key: 1, numbered: true, columns: &[
        column("number", Kind::Integer),
        column("hook", Kind::Text),
        column("id", Kind::Text),
        column("event", Kind::Text),
        column("user_id", Kind::Text),
        column("data", Kind::Text),
        column("state", Kind::Text),
        column("created_at", Kind::Integer),
        column("due_at", Kind::Integer),
        column("leased_until", Kind::Integer),
        column("tries", Kind::Integer),
        column("tried_since", Kind::Integer),
        column("error", Kind::Text),
    ] },
    Table { name: "hook_lines", key: 1, numbered: true, columns: &[
        column("id", Kind::Integer),
        column("hook", Kind::Text),
        column("user_id", Kind::Text),
        column("due_at", Kind::Integer),
    ] },
    Table { name: "registrations", key: 1, numbered: true, columns: &[
        column("id", Kind::Integer),
        column("user_id", Kind::Id),
        column("address", Kind::Text),
        column("expires_at", Kind::Integer),
    ] },
    Table { name: "passkey_challenges", key: 1, numbered: false, columns: &[
        column("id", Kind::Integer),
        column("user_id", Kind::Id),
        column("state", Kind::Bytes),
        column("expires_at", Kind::Integer),
    ] },
    Table { name: "service_tokens", key: 1, numbered: true, columns: &[
        column("id", Kind::Integer),
        column("name", Kind::Text),
        column("token_hash", Kind::Bytes),
        column("maker_id", Kind::Integer),
        column("maker", Kind::Text),
        column("permissions", Kind::Text),
        column("group_names", Kind::Text),
        column("is_superuser", Kind::Boolean),
        column("networks", Kind::Text),
        column("created_at", Kind::Integer),
        column("expires_at", Kind::Integer),
        column("last_used_at", Kind::Integer),
        column("revoked_at", Kind::Integer),
    ] },
    Table { name: "activity", key: 2, numbered: false, columns: &[column("hour", Kind::Integer), column("kind", Kind::Integer), column("n", Kind::Integer)] },
    // The ends of sessions whose access tokens may still be alive: the first node on the target
    // reads them. The last one: triggers write into it while the others come.
    Table { name: FEED, key: 1, numbered: true, columns: &[
        column("number", Kind::Integer).in_sqlite("cursor"),
        column("at", Kind::Integer),
        column("kind", Kind::Text),
        column("subject", Kind::Id),
    ] },
];

/// The feed of changes.
pub(crate) const FEED: &str = "changes";

/// Tables that are not moved, and why.
pub const NOT_MOVED: &[(&str, &str)] = &[
    ("schema_steps", "each store knows its own steps"),
    ("sqlite_sequence", "SQLite's own; what it says is moved with the tables"),
    ("admin_sessions", "operators sign in again"),
    ("first_link", "a store that nobody is in has a link of its own"),
    ("house", "what each database has come to know of the time, and of its own history"),
    ("installation", "each database has a name of its own"),
    ("history", "where each database has been, which is its own"),
    ("login_attempts", "counts of failed logins, which begin anew"),
    ("used_tickets", "tickets live for half a minute, and none is shown to the target"),
    ("pending_logins", "sign-ins that wait for a second factor for minutes, and begin anew"),
    ("hooks", "a hook that is paused is tried again on the target"),
    ("hook_wants", "what the configuration says, which each start writes"),
    ("idempotency_keys", "what was made of requests of the last day, which are not sent again"),
    (UNFINISHED, "says that a move is not finished, and goes with the last of it"),
];

/// The table of a target that says which move is not finished. A store that has it is not opened.
pub(crate) const UNFINISHED: &str = "unfinished_move";

/// Columns that are not moved, and why.
pub const COLUMNS_NOT_MOVED: &[(&str, &str, &str)] = &[
    ("audit_events", "xid", "the number of a transaction of PostgreSQL, which the rows get anew"),
    ("changes", "xid", "the number of a transaction of PostgreSQL, which the rows get anew"),
    ("users", "email_folded", "made anew when the target is opened"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_same_however_it_is_spelt() {
        for (one, other) in [
            (r#"{"b": 1, "a": [1e5, -0.0]}"#, r#"{"a":[100000,0],"b":1}"#),
            (r#"{"a": 1e16}"#, r#"{"a": 10000000000000000}"#),
            (r#"{"a": 0.10, "b": {"d": 1, "c": 2}}"#, r#"{"b": {"c": 2, "d": 1}, "a": 0.1}"#),
            (r#"{"a": 1.2345678901234568e18}"#, r#"{"a": 1234567890123456800}"#),
            (r#"{"a": 1.234567890123456e25}"#, r#"{"a": 12345678901234560000000000}"#),
            (
                r#"{"a": 1.7976931348623157e308}"#,
                &format!("{{\"a\": 17976931348623157{:0292}}}", 0),
            ),
        ] {
            assert_eq!(canonical(one).unwrap(), canonical(other).unwrap());
        }
        assert_ne!(canonical(r#"{"a": 1}"#).unwrap(), canonical(r#"{"a": "1"}"#).unwrap());
        assert_ne!(canonical(r#"{"a": 1.5}"#).unwrap(), canonical(r#"{"a": 1}"#).unwrap());
    }
}
