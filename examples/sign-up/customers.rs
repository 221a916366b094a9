//! The app's own table: four questions for logins, four acts for people who sign up.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use countersign::password::EncodedPassword;
use countersign::store::StoreError;
use countersign::user::{Account, FoundUser, NewUser, Registers, UserId, Users, fold_address};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde::Serialize;

/// A row. As JSON it is the `user` of login and profile.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Customer {
    id: i64,
    pub(crate) email: String,
    is_proved: bool,
    pub(crate) company: String,
    #[serde(skip)]
    language: String,
    #[serde(skip)]
    password: EncodedPassword,
    #[serde(skip)]
    is_closed: bool,
}

/// What Countersign has to know of it.
impl Account for Customer {
    fn id(&self) -> UserId {
        UserId::new(self.id)
    }
    fn username(&self) -> &str {
        &self.email
    }
    fn email(&self) -> &str {
        &self.email
    }
    fn is_active(&self) -> bool {
        !self.is_closed
    }
    fn email_verified(&self) -> bool {
        self.is_proved
    }
    fn locale(&self) -> &str {
        &self.language
    }
}

/// The table.
#[derive(Debug, Clone)]
pub(crate) struct Customers(Arc<Mutex<Connection>>);

impl Customers {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE IF NOT EXISTS customers (
                 -- no id comes twice, not even that of who was the newest
                 id INTEGER PRIMARY KEY AUTOINCREMENT,
                 email TEXT NOT NULL,
                 -- so that STRASSE@ is straße@; NULL, which may be there twice, until it is proved
                 folded TEXT UNIQUE,
                 is_proved INTEGER NOT NULL DEFAULT 0,
                 company TEXT NOT NULL,
                 language TEXT NOT NULL,
                 password TEXT NOT NULL,
                 is_closed INTEGER NOT NULL DEFAULT 0,
                 last_login INTEGER
             )",
        )?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    fn connection(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        self.0.lock().map_err(StoreError::failed)
    }

    fn one(
        &self,
        column: &str,
        value: impl rusqlite::ToSql,
    ) -> Result<Option<FoundUser<Customer>>, StoreError> {
        let sql = format!("SELECT * FROM customers WHERE {column} = ?");
        self.connection()?.query_row(&sql, [value], found).optional().map_err(StoreError::failed)
    }

    /// The id of the new row.
    fn insert(&self, sql: &str, values: impl rusqlite::Params) -> Result<i64, StoreError> {
        self.connection()?.query_row(sql, values, |row| row.get("id")).map_err(refused)
    }

    /// Whether the statement changed a row.
    fn change(&self, sql: &str, values: impl rusqlite::Params) -> Result<bool, StoreError> {
        let rows = self.connection()?.execute(sql, values).map_err(refused)?;
        Ok(rows == 1)
    }
}

#[async_trait::async_trait]
impl Users for Customers {
    type User = Customer;

    async fn by_login(&self, login: &str) -> Result<Option<FoundUser<Customer>>, StoreError> {
        self.one("folded", fold_address(login))
    }

    async fn by_id(&self, id: UserId) -> Result<Option<FoundUser<Customer>>, StoreError> {
        self.one("id", id.as_i64())
    }

    async fn set_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        self.change(
            "UPDATE customers SET password = ?3 WHERE id = ?1 AND password = ?2",
            params![id.as_i64(), old.as_str(), new.as_str()],
        )
    }

    async fn note_login(&self, id: UserId, at: Timestamp) -> Result<(), StoreError> {
        let values = params![id.as_i64(), at.as_second()];
        self.change("UPDATE customers SET last_login = ?2 WHERE id = ?1", values).map(drop)
    }
}

#[async_trait::async_trait]
impl Registers for Customers {
    async fn create(&self, new: NewUser, _: Timestamp) -> Result<UserId, StoreError> {
        let email = new.email.as_ref().map_or("", |email| email.as_str());
        let id = self.insert(
            "INSERT INTO customers (email, folded, company, language, password)
             VALUES (:email, :folded, :company, :language, :password) RETURNING id",
            named_params! {
                ":email": email,
                ":folded": folded(email),
                ":company": new.metadata.get("company").and_then(|name| name.as_str()),
                ":language": new.locale,
                ":password": new.password.as_str(),
            },
        )?;
        Ok(UserId::new(id))
    }

    async fn set_verified(&self, id: UserId, address: &str) -> Result<bool, StoreError> {
        self.change(
            "UPDATE customers SET is_proved = 1 WHERE id = ?1 AND email = ?2",
            params![id.as_i64(), address],
        )
    }

    async fn change_address(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError> {
        self.change(
            "UPDATE customers SET email = ?3, folded = ?4, is_proved = 1
             WHERE id = ?1 AND email = ?2",
            params![id.as_i64(), old, new, folded(new)],
        )
    }

    async fn delete(&self, id: UserId) -> Result<bool, StoreError> {
        self.change("DELETE FROM customers WHERE id = ?", [id.as_i64()])
    }
}

/// The address as the table compares it.
fn folded(address: &str) -> Option<String> {
    (!address.is_empty()).then(|| fold_address(address))
}

fn refused(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => StoreError::EmailTaken,
        _ => StoreError::failed(error),
    }
}

fn found(row: &Row<'_>) -> rusqlite::Result<FoundUser<Customer>> {
    let user = Customer {
        id: row.get("id")?,
        email: row.get("email")?,
        is_proved: row.get("is_proved")?,
        company: row.get("company")?,
        language: row.get("language")?,
        password: EncodedPassword::from_stored(row.get("password")?),
        is_closed: row.get("is_closed")?,
    };
    Ok(FoundUser { password: user.password.clone(), user })
}
