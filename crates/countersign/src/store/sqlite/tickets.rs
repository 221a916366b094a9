//! Tickets that were used, in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::params;

use super::SqliteStore;
use super::columns::micros;
use crate::store::sql::statements;
use crate::store::upkeep::KEPT_LONGER;
use crate::store::{StoreError, TicketStore};
use crate::token::TicketId;

#[async_trait]
impl TicketStore for SqliteStore {
    async fn use_ticket(
        &self,
        ticket: TicketId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer
            .run(move |c| {
                c.prepare_cached(statements::FORGET_TICKETS)?
                    .execute([micros(now).saturating_sub(KEPT_LONGER), KEPT_LONGER])?;
                let mut statement = c.prepare_cached(statements::USE_TICKET)?;
                Ok(statement.execute(params![ticket.0, micros(until)])? == 1)
            })
            .await
    }
}
