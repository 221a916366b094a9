//! Tickets that were used, in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use jiff::Timestamp;

use super::PostgresStore;
use super::columns::micros;
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::upkeep::KEPT_LONGER;
use crate::store::{StoreError, TicketStore};
use crate::token::TicketId;

#[async_trait]
impl TicketStore for PostgresStore {
    async fn use_ticket(
        &self,
        ticket: TicketId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        write!(self, client => use_ticket(client, ticket, now, until))
    }
}

async fn use_ticket(
    client: &impl GenericClient,
    ticket: TicketId,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, Failure> {
    let forget = client.prepare_cached(statements::FORGET_TICKETS).await?;
    client.execute(&forget, &[&micros(now).saturating_sub(KEPT_LONGER), &KEPT_LONGER]).await?;
    let statement = client.prepare_cached(statements::USE_TICKET).await?;
    let id = ticket.0.as_slice();
    Ok(client.execute(&statement, &[&id, &micros(until)]).await? == 1)
}
