//! Lists along PostgreSQL's indexes. A look passes no more rows than the `LIMIT` of its innermost
//! query; the planner stops when a page is full.

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::store::admin::{Count, PageCursor};
use crate::store::failure::Failure;
use crate::store::postgres::columns::{calendar, get, timestamptz};
use crate::store::postgres::indexes::SEARCHED;
use crate::store::sql::estimate::{Estimate, elsewhere, stretches};
use crate::store::sql::lists::{At, COUNTED, Found, GATHERED, KeyKind, Look};
use crate::store::sql::query::{Dialect, ListQuery, Param, Part, Sql, Way};

/// The ids of the rows of a page, in order; where the next and the previous one begin; and on which
/// way they were found.
pub(super) struct ListPage {
    pub(super) ids: Vec<i64>,
    pub(super) next: Option<PageCursor>,
    pub(super) previous: Option<PageCursor>,
    way: Way,
    is_short: bool,
    /// How many rows fit, where all were gathered.
    gathered: Option<u64>,
    sampled: Option<Sample>,
}

pub(super) async fn list(client: &Object, listing: &ListQuery) -> Result<ListPage, Failure> {
    let sampled = match listing.held.len() {
        0 => None,
        _ => Some(sample(client, listing, "users").await?),
    };
    let by_words = sampled.as_ref().and_then(|s| listing.by_words(|word| s.is_common(word)));
    let by_words = match by_words {
        Some(way) => gather(client, listing, &way).await?.map(|all| (way, all)),
        None => None,
    };
    let (way, is_short, all) = match by_words {
        Some((way, all)) => (way, true, Some(all)),
        None => {
            let (way, is_short) = choose(client, listing).await?;
            let all = if way.is_gathered() { gather(client, listing, &way).await? } else { None };
            (way, is_short, all)
        }
    };
    let window = &listing.window;
    let (found, back, gathered) = if let Some(all) = all {
        let found = Found::among(&all, listing.kind, &window.first());
        let back = window.back(&found).map(|back| Found::among(&all, listing.kind, &back));
        (found, back, Some(all.len() as u64))
    } else {
        let mut found = look(client, listing, &way, &window.first()).await?;
        if listing.leaps
            && found.rows.is_empty()
            && let Some(stopped) = &found.stopped
            && let Some(leapt) = leap(client, listing, &way, stopped).await?
        {
            found = leapt;
        }
        let back = match window.back(&found) {
            Some(back) => Some(look(client, listing, &way, &back).await?),
            None => None,
        };
        (found, back, None)
    };
    let (rows, next, previous) = window.page(found, back);
    Ok(ListPage {
        ids: rows.into_iter().map(|at| at.id).collect(),
        next,
        previous,
        way,
        is_short,
        gathered,
        sampled,
    })
}

/// The shortest way, and whether it is short enough to be gathered.
async fn choose(client: &Object, listing: &ListQuery) -> Result<(Way, bool), Failure> {
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
    listing: &ListQuery,
    way: &Way,
    look: &Look,
) -> Result<Found, Failure> {
    let behind =
        look.behind.as_ref().and_then(|at| Some(Part::Behind(listing.key_of(&at.key)?, at.id)));
    let Sql { text, params } =
        listing.look(way, look.descending, behind.unwrap_or(Part::Whole), &place(listing));
    if !listing.may_pass() {
        let text = format!("SELECT id, place FROM ({text}) w LIMIT {}", look.many);
        let rows = places(&query(client, &Sql { text, params }).await?)?;
        return Ok(Found { rows, ..Found::default() });
    }
    // With those that fit come the last row that may be passed and the one behind it.
    let last = look.passes as i64;
    let text = format!(
        "SELECT id, place, fits, n FROM (SELECT w.*, row_number() OVER () AS n FROM ({text} LIMIT \
         {last} + 1) w) v WHERE n >= {last} OR fits LIMIT {} + 1",
        look.many
    );
    let mut found = Found::default();
    let mut stopped = None;
    for row in query(client, &Sql { text, params }).await? {
        let (number, fits): (i64, Option<bool>) = (get(&row, "n")?, get(&row, "fits")?);
        if number > last {
            found.stopped = stopped.take();
            break;
        }
        let at = At { key: get(&row, "place")?, id: get(&row, "id")? };
        if number == last {
            stopped = Some(at.clone());
        }
        if fits == Some(true) {
            found.rows.push(at);
        }
        if found.rows.len() == look.many {
            break;
        }
    }
    Ok(found)
}

/// A look that begins with a row that is known to fit, behind the one at which the page's stopped.
async fn leap(
    client: &Object,
    listing: &ListQuery,
    way: &Way,
    stopped: &At,
) -> Result<Option<Found>, Failure> {
    let window = &listing.window;
    let mut known = Vec::new();
    for start in &listing.starts {
        known.extend(look(client, listing, way, &window.glance(start)).await?.rows);
    }
    let mut next = window.next(known, stopped, listing.kind);
    if next.is_none() {
        let known = match stretched(
            client,
            "users",
            elsewhere,
            listing.known("users", BOUNDS, &place(listing)),
        )
        .await?
        {
            Some(rows) => places(&rows)?,
            None => Vec::new(),
        };
        next = window.next(known, stopped, listing.kind);
    }
    Ok(match next {
        Some(at) => {
            let found = look(client, listing, way, &window.from(&at)).await?;
            Some(Found { leapt: true, ..found })
        }
        None => None,
    })
}

/// Every row of a short way that fits, in ascending order; `None` of a way that is longer.
async fn gather(
    client: &Object,
    listing: &ListQuery,
    way: &Way,
) -> Result<Option<Vec<At>>, Failure> {
    let rows = query(client, &listing.look(way, false, Part::Whole, &place(listing))).await?;
    if rows.len() > GATHERED as usize {
        return Ok(None);
    }
    let mut all = Vec::new();
    for row in rows {
        if get::<Option<bool>>(&row, "fits")? == Some(true) {
            all.push(At { key: get(&row, "place")?, id: get(&row, "id")? });
        }
    }
    Ok(Some(all))
}

/// The key as a text.
fn place(listing: &ListQuery) -> String {
    match listing.kind {
        KeyKind::Text => listing.key.to_owned(),
        KeyKind::Integer => format!("{}::text", listing.key),
        KeyKind::Date => format!("(extract(epoch FROM {}) * 1000000)::bigint::text", listing.key),
    }
}

fn places(rows: &[Row]) -> Result<Vec<At>, Failure> {
    rows.iter().map(|row| Ok(At { key: get(row, "place")?, id: get(row, "id")? })).collect()
}

/// How many rows are on all pages, of a list with filters.
pub(super) async fn count(
    client: &Object,
    listing: &ListQuery,
    listed: &ListPage,
    table: &str,
) -> Result<Count, Failure> {
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
    match &listed.sampled {
        Some(sampled) => Ok(sampled.fitting.count(known)),
        None => estimate(client, listing, table, known).await,
    }
}

/// How many rows fit, about; `known` at least.
pub(super) async fn estimate(
    client: &Object,
    listing: &ListQuery,
    table: &str,
    known: u64,
) -> Result<Count, Failure> {
    Ok(sample(client, listing, table).await?.fitting.count(known))
}

/// What the beginnings of many stretches tell of a table.
struct Sample {
    fitting: Estimate,
    /// For each word how many rows hold it, and how many of those were seen.
    held: Vec<(Estimate, u64)>,
}

impl Sample {
    /// Whether more rows hold the word than can be gathered, without a doubt.
    fn is_common(&self, word: usize) -> bool {
        self.held.get(word).is_some_and(|(held, seen)| {
            *seen >= SURE
                && matches!(held.count(0), Count::About(n) if n >= 2 * u64::from(GATHERED))
        })
    }
}

async fn sample(client: &Object, listing: &ListQuery, table: &str) -> Result<Sample, Failure> {
    let mut sample = Sample {
        fitting: Estimate::default(),
        held: listing.held.iter().map(|_| (Estimate::default(), 0)).collect(),
    };
    let Some(rows) = stretched(client, table, stretches, listing.stretch(table, BOUNDS)).await?
    else {
        return Ok(sample);
    };
    for row in rows {
        let number = |column: &str| get::<i64>(&row, column).map(i64::unsigned_abs);
        let (bounds, many) = ((get(&row, "first")?, get(&row, "last")?), number("many")?);
        let reached = get(&row, "reached")?;
        sample.fitting.add(bounds, many, number("fitting")?, reached);
        for (word, (held, seen)) in sample.held.iter_mut().enumerate() {
            let holding = number(&format!("held{word}"))?;
            held.add(bounds, many, holding, reached);
            *seen += holding;
        }
    }
    Ok(sample)
}

/// Asks of each stretch of a table's ids; `None` without a row.
async fn stretched(
    client: &Object,
    table: &str,
    stretches: fn(i64, i64) -> Vec<(i64, i64)>,
    Sql { text, params }: Sql,
) -> Result<Option<Vec<Row>>, Failure> {
    let ends =
        query(client, &Sql::new(format!("SELECT min(id) AS first, max(id) AS last FROM {table}")))
            .await?;
    let Some((Some(first), Some(last))) = ends
        .first()
        .map(|row| Ok::<_, Failure>((get(row, "first")?, get(row, "last")?)))
        .transpose()?
    else {
        return Ok(None);
    };
    let bounds: Vec<String> = stretches(first, last)
        .iter()
        .map(|(from, to)| format!("('{from}'::bigint, '{to}'::bigint)"))
        .collect();
    let text = format!(
        "SELECT b.first, b.last, s.* FROM (VALUES {}) b (first, last)
             CROSS JOIN LATERAL ({text}) s",
        bounds.join(", ")
    );
    Ok(Some(query(client, &Sql { text, params }).await?))
}

/// How many rows a table has, if they are few.
pub(super) async fn few(client: &Object, table: &str) -> Result<Option<u64>, Failure> {
    let some = number(
        client,
        &Sql::new(format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {}) n", COUNTED + 1)),
    )
    .await?;
    Ok(Some(some).filter(|some| *some <= COUNTED))
}

pub(super) async fn number(client: &Object, sql: &Sql) -> Result<u64, Failure> {
    let rows = query(client, sql).await?;
    let number: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
    Ok(number.unwrap_or(0).max(0).unsigned_abs())
}

/// Asks without keeping the statement: filters and orders make too many of them.
pub(super) async fn query(client: &Object, sql: &Sql) -> Result<Vec<Row>, Failure> {
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
    owner: "t.id::text",
    date: KeyKind::Date,
    is_told_the_index: false,
    inside: |column, text| {
        let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        Sql::new(format!("{column} LIKE ?")).with(Param::Text(format!("%{escaped}%")))
    },
    holding: |_| Vec::new(),
    searched: Some(SEARCHED),
};

/// The dialect of a database without the index of trigrams.
pub(super) const WITHOUT_TRIGRAMS: Dialect = Dialect { searched: None, ..DIALECT };

/// The bounds of a stretch.
const BOUNDS: (&str, &str) = ("b.first", "b.last");

/// How many rows of a sample leave no doubt that there are about so many.
const SURE: u64 = 40;

/// Whether the index of trigrams is there: its extension is not everybody's to make.
pub(super) async fn has_trigrams(client: &Object) -> Result<bool, Failure> {
    let sql = "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
               WHERE i.indisvalid AND c.relname = 'users_words' AND pg_table_is_visible(c.oid)";
    Ok(number(client, &Sql::new(sql)).await? > 0)
}
