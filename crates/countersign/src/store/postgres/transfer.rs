//! A PostgreSQL database as a side of a move. A source is read in one snapshot, its tables locked
//! against changes; a target is filled with `COPY`, and marked.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Statement};

use super::columns::micros;
use super::connect::Address;
use super::{message_of, migrations};
use crate::store::StoreError;
use crate::store::admin::{AuditLine, Who};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{address, clipped};
use crate::store::sql::statements;
use crate::store::transfer::{
    Row, Source, TABLES, Table, Target, TransferError, UNFINISHED, Value,
};
use crate::user::UserId;

/// A PostgreSQL database that is moved, or moved into.
///
/// ```no_run
/// use countersign::store::postgres::PostgresTransfer;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let target = PostgresTransfer::target(
///     "postgres://countersign@localhost/countersign",
///     "the new database",
/// )
/// .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PostgresTransfer {
    client: Client,
}

impl PostgresTransfer {
    /// Opens a database to be read. `place` is what it is called in messages.
    ///
    /// # Errors
    /// [`TransferError::InUse`], [`TransferError::Outdated`], and the database's.
    ///
    /// ```no_run
    /// use countersign::store::postgres::PostgresTransfer;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let source = PostgresTransfer::source(
    ///     "postgres://countersign@localhost/countersign",
    ///     "the old database",
    /// )
    /// .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn source(url: &str, place: &str) -> Result<Self, TransferError> {
        let side = Self::open(url, place).await?;
        if !migrations::pending(&side.client).await?.is_empty() {
            return Err(TransferError::Outdated { place: place.to_owned() });
        }
        refuse_unfinished(&side.client).await?;
        // Locked before the snapshot is taken, so that it is of the last state there is.
        let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        let hold = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE {} IN SHARE MODE",
            names.join(", ")
        );
        side.client.batch_execute(&hold).await.map_err(Failure::from)?;
        Ok(side)
    }

    /// Opens a database to be filled, and makes its tables. `place` is what it is called in
    /// messages.
    ///
    /// # Errors
    /// [`TransferError::InUse`], and the database's.
    ///
    /// ```no_run
    /// use countersign::store::postgres::PostgresTransfer;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let target = PostgresTransfer::target(
    ///     "postgres://countersign@localhost/countersign",
    ///     "the new database",
    /// )
    /// .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn target(url: &str, place: &str) -> Result<Self, TransferError> {
        let mut side = Self::open(url, place).await?;
        migrations::migrate(&mut side.client).await?;
        Ok(side)
    }

    /// A connection that nobody else on the database stands beside: neither a node nor another
    /// move.
    async fn open(url: &str, place: &str) -> Result<Self, TransferError> {
        let client = Address::parse(url)?.connect().await?;
        client
            .batch_execute(
                "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = \
                0; SET lock_timeout = '10s'",
            )
            .await
            .map_err(Failure::from)?;
        for _ in 0..PATIENCE {
            let others: i64 = client
                .query_one(
                    "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'countersign'
                         AND pid <> pg_backend_pid()",
                    &[],
                )
                .await
                .and_then(|row| row.try_get(0))
                .map_err(Failure::from)?;
            if others == 0 {
                return Ok(Self { client });
            }
            // One that was stopped, or killed, just now takes a moment to be gone.
            tokio::time::sleep(A_MOMENT).await;
        }
        Err(TransferError::InUse { place: place.to_owned() })
    }

    /// The statement that reads these columns, and with it their types.
    async fn columns(&self, table: &Table, rest: &str) -> Result<Statement, Failure> {
        Ok(self
            .client
            .prepare(&format!(
                "SELECT {} FROM {} {rest}",
                names(table, table.columns.len()),
                table.name
            ))
            .await?)
    }
}

/// Refuses a database that a move has begun to fill.
pub(super) async fn refuse_unfinished(client: &Client) -> Result<(), Failure> {
    Ok(crate::store::transfer::refuse_unfinished(unfinished(client).await?)?)
}

#[async_trait]
impl Source for PostgresTransfer {
    async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
        Ok(Self::count(self, table).await?)
    }

    async fn page(
        &mut self,
        table: &'static Table,
        after: Option<Vec<i64>>,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        Ok(Self::page(self, table, after, limit).await?)
    }

    async fn last_number(&mut self, table: &'static Table) -> Result<i64, StoreError> {
        Ok(Self::last_number(self, table).await?)
    }
}

#[async_trait]
impl Target for PostgresTransfer {
    async fn last_key(&mut self, table: &'static Table) -> Result<Option<Vec<i64>>, StoreError> {
        Ok(Self::last_key(self, table).await?)
    }

    async fn add(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), StoreError> {
        Ok(Self::add(self, table, rows).await?)
    }

    async fn skip_to_number(
        &mut self,
        table: &'static Table,
        number: i64,
    ) -> Result<(), StoreError> {
        Ok(Self::skip_to_number(self, table, number).await?)
    }

    async fn unfinished(&mut self) -> Result<Option<String>, StoreError> {
        Ok(Self::unfinished(self).await?)
    }

    async fn mark(&mut self, from: &str) -> Result<(), StoreError> {
        Ok(Self::mark(self, from).await?)
    }

    async fn clear(&mut self) -> Result<(), StoreError> {
        Ok(Self::clear(self).await?)
    }

    async fn finish(&mut self, line: &AuditLine) -> Result<(), StoreError> {
        Ok(Self::finish(self, line).await?)
    }
}

/// What the two traits ask, before its error is the store's.
impl PostgresTransfer {
    async fn count(&mut self, table: &'static Table) -> Result<u64, Failure> {
        let rows: i64 = self
            .client
            .query_one(&format!("SELECT count(*) FROM {}", table.name), &[])
            .await?
            .try_get(0)?;
        Ok(rows.unsigned_abs())
    }

    async fn page(
        &mut self,
        table: &'static Table,
        after: Option<Vec<i64>>,
        limit: u32,
    ) -> Result<Vec<Row>, Failure> {
        let key = names(table, table.key);
        let after = after.unwrap_or_default();
        let behind = match after.len() {
            0 => String::new(),
            many => format!(
                "WHERE ({key}) > ({})",
                (1..=many).map(|i| format!("${i}")).collect::<Vec<_>>().join(", ")
            ),
        };
        let statement =
            self.columns(table, &format!("{behind} ORDER BY {key} LIMIT {limit}")).await?;
        let after: Vec<_> = after.iter().map(|number| number as &(dyn ToSql + Sync)).collect();
        let rows = self.client.query(&statement, &after).await?;
        rows.iter()
            .map(|row| (0..row.len()).map(|i| Ok(row.try_get::<_, Cell>(i)?.0)).collect())
            .collect()
    }

    async fn last_number(&mut self, table: &'static Table) -> Result<i64, Failure> {
        let Some(sequence) = self.sequence(table).await? else { return Ok(0) };
        let sql = format!("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}");
        Ok(self.client.query_one(&sql, &[]).await?.try_get(0)?)
    }
    async fn last_key(&mut self, table: &'static Table) -> Result<Option<Vec<i64>>, Failure> {
        let order: Vec<_> = table.columns[..table.key]
            .iter()
            .map(|column| format!("{} DESC", column.name))
            .collect();
        let sql = format!(
            "SELECT {} FROM {} ORDER BY {} LIMIT 1",
            names(table, table.key),
            table.name,
            order.join(", ")
        );
        let row = self.client.query_opt(&sql, &[]).await?;
        row.map(|row| (0..table.key).map(|i| Ok(row.try_get(i)?)).collect()).transpose()
    }

    async fn add(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), Failure> {
        let statement = self.columns(table, "LIMIT 0").await?;
        let types: Vec<Type> =
            statement.columns().iter().map(|column| column.type_().clone()).collect();
        let transaction = self.client.transaction().await?;
        // Nobody has anything to learn from rows that come with a move.
        transaction
            .batch_execute(&format!("ALTER TABLE {} DISABLE TRIGGER USER", table.name))
            .await?;
        let copy = format!(
            "COPY {} ({}) FROM STDIN (FORMAT binary)",
            table.name,
            names(table, table.columns.len())
        );
        let mut writer = pin!(BinaryCopyInWriter::new(transaction.copy_in(&copy).await?, &types));
        let refused = |error: tokio_postgres::Error| {
            let place = error.as_db_error().and_then(|error| error.where_()).unwrap_or(table.name);
            StoreError::Failed(format!("{place}: {}", message_of(&error)))
        };
        for row in rows {
            writer.as_mut().write_raw(row.into_iter().map(Cell)).await.map_err(refused)?;
        }
        writer.as_mut().finish().await.map_err(refused)?;
        transaction
            .batch_execute(&format!("ALTER TABLE {} ENABLE TRIGGER USER", table.name))
            .await?;
        Ok(transaction.commit().await?)
    }

    async fn skip_to_number(&mut self, table: &'static Table, number: i64) -> Result<(), Failure> {
        if let Some(sequence) = self.sequence(table).await?
            && number > self.last_number(table).await?
        {
            self.client
                .execute("SELECT setval($1::text::regclass, $2)", &[&sequence, &number])
                .await?;
        }
        Ok(())
    }

    async fn unfinished(&mut self) -> Result<Option<String>, Failure> {
        unfinished(&self.client).await
    }

    async fn mark(&mut self, from: &str) -> Result<(), Failure> {
        let transaction = self.client.transaction().await?;
        transaction
            .batch_execute(&format!("CREATE TABLE {UNFINISHED} (source text NOT NULL)"))
            .await?;
        transaction.execute(&format!("INSERT INTO {UNFINISHED} VALUES ($1)"), &[&from]).await?;
        Ok(transaction.commit().await?)
    }

    async fn clear(&mut self) -> Result<(), Failure> {
        let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        let sql = format!(
            "BEGIN; TRUNCATE {} RESTART IDENTITY; DROP TABLE {UNFINISHED}; COMMIT",
            names.join(", ")
        );
        Ok(self.client.batch_execute(&sql).await?)
    }

    async fn finish(&mut self, line: &AuditLine) -> Result<(), Failure> {
        // The planner knows nothing yet of what came.
        let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        self.client.batch_execute(&format!("ANALYZE {}", names.join(", "))).await?;
        let id = |id: Option<UserId>| id.map(|id| id.to_string());
        let actor = line.actor.as_ref();
        let transaction = self.client.transaction().await?;
        transaction
            .execute(
                statements::NOTE,
                &[
                    &micros(line.at),
                    &line.kind.as_str(),
                    &id(line.user),
                    &line.session.map(|id| id.get().cast_signed()),
                    &id(actor.and_then(Who::user)),
                    &actor.and_then(Who::name),
                    &address(line.ip),
                    &clipped(&line.detail),
                ],
            )
            .await?;
        transaction.batch_execute(&format!("DROP TABLE {UNFINISHED}")).await?;
        Ok(transaction.commit().await?)
    }

    async fn sequence(&self, table: &Table) -> Result<Option<String>, Failure> {
        let column = table.columns[0].name;
        Ok(self
            .client
            .query_one("SELECT pg_get_serial_sequence($1, $2)", &[&table.name, &column])
            .await?
            .try_get(0)?)
    }
}

async fn unfinished(client: &Client) -> Result<Option<String>, Failure> {
    let there: bool =
        client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&UNFINISHED]).await?.try_get(0)?;
    if !there {
        return Ok(None);
    }
    let row = client.query_opt(&format!("SELECT source FROM {UNFINISHED}"), &[]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

fn names(table: &Table, many: usize) -> String {
    table.columns[..many].iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

/// A value on its way into or out of a column of any type that the schema has.
#[derive(Debug)]
struct Cell(Value);

impl<'a> FromSql<'a> for Cell {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(match *kind {
            Type::INT2 => Value::Integer(i16::from_sql(kind, raw)?.into()),
            Type::INT4 => Value::Integer(i32::from_sql(kind, raw)?.into()),
            Type::BOOL => Value::Boolean(bool::from_sql(kind, raw)?),
            Type::BYTEA => Value::Bytes(raw.to_vec()),
            Type::TIMESTAMPTZ => {
                let micros = i64::from_sql(&Type::INT8, raw)?;
                Value::Integer(micros.checked_add(EPOCH).ok_or("a date beyond all calendars")?)
            }
            // A byte that says which version of the format this is, then the text.
            Type::JSONB => Value::Json(
                <&str>::from_sql(&Type::TEXT, raw.get(1..).unwrap_or_default())?.to_owned(),
            ),
            Type::TEXT => Value::Text(<&str>::from_sql(kind, raw)?.to_owned()),
            _ => Value::Integer(i64::from_sql(kind, raw)?),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(kind: &Type) -> bool {
        KINDS.contains(kind)
    }
}

impl ToSql for Cell {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Integer(number) => match *kind {
                Type::INT2 => i16::try_from(*number)?.to_sql(kind, out),
                Type::INT4 => i32::try_from(*number)?.to_sql(kind, out),
                Type::TIMESTAMPTZ => number
                    .checked_sub(EPOCH)
                    .ok_or("a date beyond all calendars")?
                    .to_sql(&Type::INT8, out),
                _ => number.to_sql(kind, out),
            },
            Value::Boolean(truth) => truth.to_sql(kind, out),
            Value::Bytes(bytes) => bytes.as_slice().to_sql(kind, out),
            Value::Text(text) => text.to_sql(kind, out),
            Value::Json(text) => {
                out.extend_from_slice(&[1]);
                text.to_sql(&Type::TEXT, out)
            }
        }
    }

    fn accepts(kind: &Type) -> bool {
        KINDS.contains(kind)
    }

    to_sql_checked!();
}

/// The types of the schema's columns.
const KINDS: [Type; 8] = [
    Type::INT2,
    Type::INT4,
    Type::INT8,
    Type::BOOL,
    Type::BYTEA,
    Type::TIMESTAMPTZ,
    Type::JSONB,
    Type::TEXT,
];

/// From 1970, where our time begins, to 2000, where PostgreSQL's does, in microseconds.
const EPOCH: i64 = 946_684_800_000_000;

/// How many moments a program that is about to end may take to let go.
const PATIENCE: u32 = 10;

const A_MOMENT: Duration = Duration::from_millis(200);
