//! Lists along PostgreSQL's indexes. A look passes no more rows than the `LIMIT` of its innermost
//! query; the planner stops when a page is full.

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::store::StoreError;
use crate::store::admin::{Count, Place};
use crate::store::postgres::columns::{calendar, get, timestamptz};
use crate::store::sql::estimate::{Estimate, stretches};
use crate::store::sql::lists::{At, COUNTED, Found, GATHERED, KeyKind, Look};
use crate::store::sql::query::{Dialect, Listing, Param, Part, Sql, Way};

/// The ids of the rows of a page, in order; where the next and the previous one begin; and on which
/// way they were found.
pub(super) struct Listed {
    pub(super) ids: Vec<i64>,
    pub(super) next: Option<Place>,
    pub(super) previous: Option<Place>,
    way: Way,
    is_short: bool,
    /// How many rows fit, where all were gathered.
    gathered: Option<u64>,
}

pub(super) async fn list(client: &Object, listing: &Listing) -> Result<Listed, StoreError> {
    let (way, is_short) = choose(client, listing).await?;
    let window = &listing.window;
    let (found, back, gathered) = if way.is_gathered() {
        let all = gather(client, listing, &way).await?;
        let found = Found::among(&all, listing.kind, &window.first());
        let back = window.back(&found).map(|back| Found::among(&all, listing.kind, &back));
        (found, back, Some(all.len() as u64))
    } else {
        let found = look(client, listing, &way, &window.first()).await?;
        let back = match window.back(&found) {
            Some(back) => Some(look(client, listing, &way, &back).await?),
            None => None,
        };
        (found, back, None)
    };
    let (rows, next, previous) = window.page(found, back);
    Ok(Listed {
        ids: rows.into_iter().map(|at| at.id).collect(),
        next,
        previous,
        way,
        is_short,
        gathered,
    })
}

/// The shortest way, and whether it is short enough to be gathered.
async fn choose(client: &Object, listing: &Listing) -> Result<(Way, bool), StoreError> {
    let mut best: Option<(&Way, u64)> = None;
    for way in &listing.ways {
        let length = number(client, &way.length()).await?;
        let is_short = length <= u64::from(GATHERED);
        if (is_short || !way.is_gathered()) && best.is_none_or(|(_, least)| length < least) {
            best = Some((way, length));
        }
    }
    Ok(best.map_or_else(
        || (listing.otherwise.clone(), false),
        |(way, length)| (way.clone(), length <= u64::from(GATHERED)),
    ))
}

async fn look(
    client: &Object,
    listing: &Listing,
    way: &Way,
    look: &Look,
) -> Result<Found, StoreError> {
    let behind =
        look.behind.as_ref().and_then(|at| Some(Part::Behind(listing.key_of(&at.key)?, at.id)));
    let Sql { text, params } =
        listing.look(way, look.descending, behind.unwrap_or(Part::Whole), &place(listing));
    let budget = listing.may_pass().then_some(look.passes);
    let passed = budget.map_or_else(String::new, |budget| format!("LIMIT {budget}"));
    let page = Sql {
        text: format!("SELECT id, place FROM ({text} {passed}) w WHERE fits LIMIT {}", look.many),
        params: params.clone(),
    };
    let mut found = Found { rows: places(&query(client, &page).await?)?, stopped: None };
    if let Some(budget) = budget.filter(|_| found.rows.len() < look.many) {
        let end = Sql {
            text: format!("SELECT id, place FROM ({text} OFFSET {} LIMIT 2) w", budget - 1),
            params,
        };
        let mut end = places(&query(client, &end).await?)?;
        found.stopped = (end.len() == 2).then(|| end.swap_remove(0));
    }
    Ok(found)
}

/// Every row of a short way that fits, in ascending order.
async fn gather(client: &Object, listing: &Listing, way: &Way) -> Result<Vec<At>, StoreError> {
    let Sql { text, params } = listing.look(way, false, Part::Whole, &place(listing));
    places(
        &query(
            client,
            &Sql { text: format!("SELECT id, place FROM ({text}) w WHERE fits"), params },
        )
        .await?,
    )
}

/// The key as a text.
fn place(listing: &Listing) -> String {
    match listing.kind {
        KeyKind::Text => listing.key.to_owned(),
        KeyKind::Integer => format!("{}::text", listing.key),
        KeyKind::Date => format!("(extract(epoch FROM {}) * 1000000)::bigint::text", listing.key),
    }
}

fn places(rows: &[Row]) -> Result<Vec<At>, StoreError> {
    rows.iter().map(|row| Ok(At { key: get(row, "place")?, id: get(row, "id")? })).collect()
}

/// How many rows are on all pages, of a list with filters.
pub(super) async fn count(
    client: &Object,
    listing: &Listing,
    listed: &Listed,
    table: &str,
) -> Result<Count, StoreError> {
    if let Some(gathered) = listed.gathered {
        return Ok(if listed.is_short {
            Count::Exactly(gathered)
        } else {
            Count::MoreThan(gathered)
        });
    }
    if listed.is_short {
        return Ok(Count::Exactly(number(client, &listed.way.fitting(&listing.fits)).await?));
    }
    let known = if listing.is_sure { GATHERED.into() } else { listed.ids.len() as u64 };
    estimate(client, listing, table, known).await
}

/// How many rows fit, about; `known` at least.
pub(super) async fn estimate(
    client: &Object,
    listing: &Listing,
    table: &str,
    known: u64,
) -> Result<Count, StoreError> {
    let ends =
        query(client, &Sql::new(format!("SELECT min(id) AS first, max(id) AS last FROM {table}")))
            .await?;
    let mut estimate = Estimate::default();
    let Some((Some(first), Some(last))) = ends
        .first()
        .map(|row| Ok::<_, StoreError>((get(row, "first")?, get(row, "last")?)))
        .transpose()?
    else {
        return Ok(estimate.count(known));
    };
    let bounds: Vec<String> = stretches(first, last)
        .iter()
        .map(|(from, to)| format!("('{from}'::bigint, '{to}'::bigint)"))
        .collect();
    let Sql { text, params } = listing.stretch(table, ("b.first", "b.last"));
    let text = format!(
        "SELECT b.first, b.last, s.* FROM (VALUES {}) b (first, last) CROSS JOIN LATERAL ({text}) s",
        bounds.join(", ")
    );
    for row in query(client, &Sql { text, params }).await? {
        let (many, fitting): (i64, i64) = (get(&row, "many")?, get(&row, "fitting")?);
        estimate.add(
            (get(&row, "first")?, get(&row, "last")?),
            many.unsigned_abs(),
            fitting.unsigned_abs(),
            get(&row, "reached")?,
        );
    }
    Ok(estimate.count(known))
}

/// How many rows a table has, if they are few.
pub(super) async fn few(client: &Object, table: &str) -> Result<Option<u64>, StoreError> {
    let some = number(
        client,
        &Sql::new(format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {}) n", COUNTED + 1)),
    )
    .await?;
    Ok(Some(some).filter(|some| *some <= COUNTED))
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
    let params: Vec<&(dyn ToSql + Sync)> =
        params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect();
    Ok(client.query(&text, &params).await?)
}

pub(super) const DIALECT: Dialect = Dialect {
    lower: [
        "lower(email COLLATE \"C\")",
        "lower(first_name COLLATE \"C\")",
        "lower(last_name COLLATE \"C\")",
    ],
    last_login: "coalesce(last_login, '0001-01-01 00:00:00+00'::timestamptz)",
    date: KeyKind::Date,
    is_told_the_index: false,
    inside: |column, text| {
        let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        Sql::new(format!("{column} LIKE ?")).with(Param::Text(format!("%{escaped}%")))
    },
    // The planner knows which words are rare enough for the index of trigrams.
    holding: |words, reading| {
        let is_indexed = words.iter().any(|word| word.chars().count() >= 3);
        if is_indexed { vec![reading] } else { Vec::new() }
    },
};

/// The dialect of a database without the index of trigrams.
pub(super) const WITHOUT_TRIGRAMS: Dialect = Dialect { holding: |_, _| Vec::new(), ..DIALECT };

/// Whether the index of trigrams is there: its extension is not everybody's to make.
pub(super) async fn has_trigrams(client: &Object) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
               WHERE i.indisvalid AND c.relname = 'users_text' AND pg_table_is_visible(c.oid)";
    Ok(number(client, &Sql::new(sql)).await? > 0)
}
