//! Lists along PostgreSQL's indexes. A look passes no more rows than the `LIMIT` of its innermost query; the planner stops when a page is full.

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::store::StoreError;
use crate::store::admin::estimate::{Estimate, stretches};
use crate::store::admin::lists::{At, Found, GATHERED, LOOKED_AT, Look};
use crate::store::admin::sql::{Dialect, KeyKind, Listing, Param, Sql, Way};
use crate::store::admin::{Count, Place};
use crate::store::postgres::columns::{calendar, get, timestamptz};

/// The ids of the rows of a page, in order; where the next and the previous one begin; and on which way they were found, with its length.
pub(super) struct Listed {
    pub(super) ids: Vec<i64>,
    pub(super) next: Option<Place>,
    pub(super) previous: Option<Place>,
    pub(super) way: Way,
    /// How many rows are on the way, unless they are more than one gathers.
    pub(super) length: Option<u64>,
}

pub(super) async fn list(client: &Object, listing: &Listing) -> Result<Listed, StoreError> {
    let (way, length) = choose(client, listing).await?;
    let found = look(client, listing, &way, &listing.window.first()).await?;
    let back = match listing.window.back(&found) {
        Some(back) => Some(look(client, listing, &way, &back).await?),
        None => None,
    };
    let (rows, next, previous) = listing.window.page(found, back);
    Ok(Listed { ids: rows.into_iter().map(|at| at.id).collect(), next, previous, way, length })
}

/// The shortest way; its length is known if it is short enough to be gathered.
async fn choose(client: &Object, listing: &Listing) -> Result<(Way, Option<u64>), StoreError> {
    let mut best: Option<(&Way, u64)> = None;
    for way in &listing.ways {
        let length = number(client, &way.length()).await?;
        let is_short = length <= u64::from(GATHERED);
        if (is_short || !way.is_gathered()) && best.is_none_or(|(_, least)| length < least) {
            best = Some((way, length));
        }
    }
    Ok(match best {
        Some((way, length)) => (way.clone(), Some(length).filter(|length| *length <= u64::from(GATHERED))),
        None => (listing.otherwise.clone(), None),
    })
}

async fn look(client: &Object, listing: &Listing, way: &Way, look: &Look) -> Result<Found, StoreError> {
    let direction = if look.descending { "<" } else { ">" };
    let behind = look.behind.as_ref().and_then(|at| Some((listing.key_of(&at.key)?, at.id)));
    let behind = behind.map_or_else(Sql::default, |(place, id)| {
        Sql::new(format!("({}, t.id) {direction} (?, ?)", listing.key)).with(place).with(Param::Integer(id))
    });
    let place = match listing.kind {
        KeyKind::Text => listing.key.to_owned(),
        KeyKind::Integer => format!("{}::text", listing.key),
        KeyKind::Date => format!("(extract(epoch FROM {}) * 1000000)::bigint::text", listing.key),
    };
    let Sql { text, params } = listing.look(way, look, behind, &place);
    let budget = listing.may_pass(way).then_some(look.passes);
    let passed = budget.map_or_else(String::new, |budget| format!("LIMIT {budget}"));
    let page = Sql { text: format!("SELECT id, place FROM ({text} {passed}) w WHERE fits LIMIT {}", look.many), params: params.clone() };
    let mut found = Found { rows: places(&query(client, &page).await?)?, stopped: None };
    if let Some(budget) = budget.filter(|_| found.rows.len() < look.many) {
        let end = Sql { text: format!("SELECT id, place FROM ({text} OFFSET {} LIMIT 2) w", budget - 1), params };
        let mut end = places(&query(client, &end).await?)?;
        found.stopped = (end.len() == 2).then(|| end.swap_remove(0));
    }
    Ok(found)
}

fn places(rows: &[Row]) -> Result<Vec<At>, StoreError> {
    rows.iter().map(|row| Ok(At { key: get(row, "place")?, id: get(row, "id")? })).collect()
}

/// How many rows are on all pages, of a list with filters.
pub(super) async fn count(client: &Object, listing: &Listing, listed: &Listed, table: &str) -> Result<Count, StoreError> {
    let is_short = listed.length.is_some();
    if is_short || listed.way.is_gathered() {
        let fitting = number(client, &listed.way.fitting(&listing.fits)).await?;
        return Ok(if is_short { Count::Exactly(fitting) } else { Count::MoreThan(fitting) });
    }
    let known = if listing.is_sure { GATHERED.into() } else { listed.ids.len() as u64 };
    estimate(client, listing, table, known).await
}

/// How many rows fit, about; `known` at least.
pub(super) async fn estimate(client: &Object, listing: &Listing, table: &str, known: u64) -> Result<Count, StoreError> {
    let ends = query(client, &Sql::new(format!("SELECT min(id) AS first, max(id) AS last FROM {table}"))).await?;
    let mut estimate = Estimate::default();
    let Some((Some(first), Some(last))) =
        ends.first().map(|row| Ok::<_, StoreError>((get(row, "first")?, get(row, "last")?))).transpose()?
    else {
        return Ok(estimate.count(known));
    };
    let bounds: Vec<String> = stretches(first, last).iter().map(|(from, to)| format!("('{from}'::bigint, '{to}'::bigint)")).collect();
    let Sql { text, params } = listing.stretch(table, ("b.first", "b.last"));
    let text = format!("SELECT b.first, b.last, s.* FROM (VALUES {}) b (first, last) CROSS JOIN LATERAL ({text}) s", bounds.join(", "));
    for row in query(client, &Sql { text, params }).await? {
        let (many, fitting): (i64, i64) = (get(&row, "many")?, get(&row, "fitting")?);
        estimate.add((get(&row, "first")?, get(&row, "last")?), many.unsigned_abs(), fitting.unsigned_abs(), get(&row, "reached")?);
    }
    Ok(estimate.count(known))
}

/// How many rows a table has, if they are few.
pub(super) async fn few(client: &Object, table: &str) -> Result<Option<u64>, StoreError> {
    let some = number(client, &Sql::new(format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {}) n", LOOKED_AT + 1))).await?;
    Ok(Some(some).filter(|some| *some <= LOOKED_AT as u64))
}

pub(super) async fn number(client: &Object, sql: &Sql) -> Result<u64, StoreError> {
    let rows = query(client, sql).await?;
    let number: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
    Ok(number.unwrap_or(0).max(0).unsigned_abs())
}

/// Asks without keeping the statement: filters and orders make too many of them.
pub(super) async fn query(client: &Object, sql: &Sql) -> Result<Vec<Row>, StoreError> {
    let mut text = String::with_capacity(sql.text.len() + 16);
    for (number, part) in sql.text.split('?').enumerate() {
        if number > 0 {
            text.push_str(&format!("${number}"));
        }
        text.push_str(part);
    }
    let params: Vec<Box<dyn ToSql + Sync + Send>> = sql
        .params
        .iter()
        .map(|param| -> Box<dyn ToSql + Sync + Send> {
            match param {
                Param::Integer(number) => Box::new(*number),
                Param::Text(text) => Box::new(text.clone()),
                Param::Date(at) => Box::new(timestamptz(calendar(*at))),
                Param::User(id) => Box::new(id.to_string()),
            }
        })
        .collect();
    let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect();
    Ok(client.query(&text, &params).await?)
}

pub(super) const DIALECT: Dialect = Dialect {
    lower: ["lower(email COLLATE \"C\")", "lower(first_name COLLATE \"C\")", "lower(last_name COLLATE \"C\")"],
    last_login: "coalesce(last_login, '0001-01-01 00:00:00+00'::timestamptz)",
    date: KeyKind::Date,
    is_told_the_index: false,
};
