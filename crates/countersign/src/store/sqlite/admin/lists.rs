//! Lists along SQLite's indexes: rows are met one by one, and no more of them than a page needs or
//! a look may pass.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use crate::store::admin::{Count, PageCursor};
use crate::store::failure::Failure;
use crate::store::sql::estimate::{Estimate, elsewhere, stretches};
use crate::store::sql::lists::{At, COUNTED, Found, GATHERED, KeyKind, Look};
use crate::store::sql::query::{Dialect, ListQuery, Param, Part, Sql, Way};
use crate::store::sqlite::columns::{django_date, key};
use crate::user::fold;

/// The rows of a page, in order; where the next and the previous one begin; and on which way they
/// were found.
pub(super) struct ListPage {
    pub(super) rows: Vec<At>,
    pub(super) next: Option<PageCursor>,
    pub(super) previous: Option<PageCursor>,
    way: Way,
    is_short: bool,
    /// How many rows fit, where all were gathered.
    gathered: Option<u64>,
}

pub(super) fn list(connection: &Connection, listing: &ListQuery) -> Result<ListPage, Failure> {
    let (way, is_short) = choose(connection, listing)?;
    let window = &listing.window;
    let (found, back, gathered) = if way.is_gathered() {
        let all = gather(connection, listing, &way)?;
        let found = Found::among(&all, listing.kind, &window.first());
        let back = window.back(&found).map(|back| Found::among(&all, listing.kind, &back));
        (found, back, Some(all.len() as u64))
    } else {
        let mut found = look(connection, listing, &way, &window.first())?;
        if listing.leaps
            && found.rows.is_empty()
            && let Some(stopped) = &found.stopped
            && let Some(leapt) = leap(connection, listing, &way, stopped)?
        {
            found = leapt;
        }
        let back =
            window.back(&found).map(|back| look(connection, listing, &way, &back)).transpose()?;
        (found, back, None)
    };
    let (rows, next, previous) = window.page(found, back);
    Ok(ListPage { rows, next, previous, way, is_short, gathered })
}

/// The shortest way, and whether it is short enough to be gathered.
fn choose(connection: &Connection, listing: &ListQuery) -> Result<(Way, bool), Failure> {
    let mut best: Option<(&Way, u64)> = None;
    for way in &listing.ways {
        let length = number(connection, &way.length())?;
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

fn look(
    connection: &Connection,
    listing: &ListQuery,
    way: &Way,
    look: &Look,
) -> Result<Found, Failure> {
    let behind = look.behind.as_ref().and_then(|at| Some((listing.key_of(&at.key)?, at.id)));
    // SQLite follows an index on an expression to a place of two parts only part by part.
    let parts = match behind {
        None => vec![Part::Whole],
        Some((key, id)) => vec![Part::SameKey(key.clone(), id), Part::OtherKey(key)],
    };
    let (mut found, mut passed) = (Found::default(), 0);
    for part in parts {
        let sql = listing.look(way, look.descending, part, listing.key);
        let mut statement = connection.prepare_cached(&sql.text)?;
        let mut rows = statement.query(params_from_iter(values(&sql)))?;
        while let Some(row) = rows.next()? {
            passed += 1;
            if fits(row)? {
                found.rows.push(place(row)?);
                if found.rows.len() == look.many {
                    return Ok(found);
                }
            } else if passed >= look.passes {
                found.stopped = Some(place(row)?);
                return Ok(found);
            }
        }
    }
    Ok(found)
}

/// A look that begins with a row that is known to fit, behind the one at which the page's stopped.
fn leap(
    connection: &Connection,
    listing: &ListQuery,
    way: &Way,
    stopped: &At,
) -> Result<Option<Found>, Failure> {
    let window = &listing.window;
    let mut known = Vec::new();
    for start in &listing.starts {
        known.extend(look(connection, listing, way, &window.glance(start))?.rows);
    }
    let mut next = window.next(known, stopped, listing.kind);
    if next.is_none() {
        let mut known = Vec::new();
        let sql = listing.known("users", ("?", "?"), listing.key);
        stretched(connection, "users", elsewhere, &sql, |_, row| {
            known.push(place(row)?);
            Ok(())
        })?;
        next = window.next(known, stopped, listing.kind);
    }
    let Some(at) = next else { return Ok(None) };
    let found = look(connection, listing, way, &window.from(&at))?;
    Ok(Some(Found { leapt: true, ..found }))
}

/// Every row of a short way that fits, in ascending order.
fn gather(connection: &Connection, listing: &ListQuery, way: &Way) -> Result<Vec<At>, Failure> {
    let sql = listing.look(way, false, Part::Whole, listing.key);
    let mut statement = connection.prepare_cached(&sql.text)?;
    let mut rows = statement.query(params_from_iter(values(&sql)))?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        if fits(row)? {
            all.push(place(row)?);
        }
    }
    Ok(all)
}

fn fits(row: &Row<'_>) -> rusqlite::Result<bool> {
    Ok(row.get::<_, Option<bool>>("fits")?.unwrap_or(false))
}

fn place(row: &Row<'_>) -> rusqlite::Result<At> {
    let key = match row.get_ref("place")? {
        ValueRef::Integer(number) => number.to_string(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    Ok(At { key, id: row.get("id")? })
}

/// How many rows are on all pages. `all` counts those of a list without filters.
pub(super) fn count(
    connection: &Connection,
    listing: &ListQuery,
    listed: &ListPage,
    table: &str,
    all: impl FnOnce(&Connection) -> Result<Count, Failure>,
) -> Result<Count, Failure> {
    if listing.filters == 0 {
        return all(connection);
    }
    if let Some(gathered) = listed.gathered {
        return Ok(if listed.is_short {
            Count::Exactly(gathered)
        } else {
            Count::MoreThan(gathered)
        });
    }
    if listed.is_short {
        return Ok(Count::Exactly(number(connection, &listed.way.fitting(&listing.fits))?));
    }
    estimate(
        connection,
        listing,
        table,
        if listing.is_sure { GATHERED.into() } else { listed.rows.len() as u64 },
    )
}

/// How many rows fit, about; `known` at least.
pub(super) fn estimate(
    connection: &Connection,
    listing: &ListQuery,
    table: &str,
    known: u64,
) -> Result<Count, Failure> {
    let mut estimate = Estimate::default();
    stretched(connection, table, stretches, &listing.stretch(table, ("?", "?")), |bounds, row| {
        estimate.add(bounds, row.get("many")?, row.get("fitting")?, row.get("reached")?);
        Ok(())
    })?;
    Ok(estimate.count(known))
}

/// Asks of each stretch of a table's ids.
fn stretched(
    connection: &Connection,
    table: &str,
    stretches: fn(i64, i64) -> Vec<(i64, i64)>,
    sql: &Sql,
    mut each: impl FnMut((i64, i64), &Row<'_>) -> rusqlite::Result<()>,
) -> Result<(), Failure> {
    let ends = connection
        .prepare_cached(&format!(
            "SELECT (SELECT min(id) FROM {table}), (SELECT max(id) FROM {table})"
        ))?
        .query_row([], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?)))?;
    let (Some(first), Some(last)) = ends else { return Ok(()) };
    let mut statement = connection.prepare_cached(&sql.text)?;
    for (from, to) in stretches(first, last) {
        let params = values(sql).into_iter().chain([Value::Integer(from), Value::Integer(to)]);
        let mut rows = statement.query(params_from_iter(params))?;
        while let Some(row) = rows.next()? {
            each((from, to), row)?;
        }
    }
    Ok(())
}

/// How many rows a table has, if they are few.
pub(super) fn few(connection: &Connection, table: &str) -> Result<Option<u64>, Failure> {
    let some = number(
        connection,
        &Sql::new(format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {})", COUNTED + 1)),
    )?;
    Ok(Some(some).filter(|some| *some <= COUNTED))
}

pub(super) fn number(connection: &Connection, sql: &Sql) -> Result<u64, Failure> {
    Ok(connection
        .prepare_cached(&sql.text)?
        .query_row(params_from_iter(values(sql)), |row| row.get(0))?)
}

pub(super) fn values(sql: &Sql) -> Vec<Value> {
    sql.params
        .iter()
        .map(|param| match param {
            Param::Integer(number) => Value::Integer(*number),
            Param::Text(text) => Value::Text(text.clone()),
            Param::Date(at) => Value::Text(django_date(*at)),
            Param::User(id) => key(*id),
        })
        .collect()
}

pub(super) const DIALECT: Dialect = Dialect {
    lower: ["lower(email)", "lower(first_name)", "lower(last_name)"],
    last_login: "coalesce(last_login, '')",
    owner: "t.id",
    date: KeyKind::Text,
    is_told_the_index: true,
    inside: |column, text| {
        Sql::new(format!("instr({column}, ?) > 0")).with(Param::Text(text.to_owned()))
    },
    holding,
    searched: None,
};

/// Asks the index of trigrams, which knows every three characters of a row, but not in which order
/// they stand there. Shorter words are in no index.
fn holding(words: &[&str]) -> Vec<Sql> {
    let mut wanted = Vec::new();
    for word in words {
        let (folded, lower) = (trigrams(&fold(word)), trigrams(&word.to_ascii_lowercase()));
        match (folded.is_empty(), lower.is_empty()) {
            (true, _) | (_, true) => {}
            _ if folded == lower => wanted.push(all_of(&folded)),
            _ => wanted.push(format!("({} OR {})", all_of(&folded), all_of(&lower))),
        }
    }
    if wanted.is_empty() {
        return Vec::new();
    }
    let text = Sql::new("SELECT rowid AS found FROM users_text WHERE users_text MATCH ?");
    let mut sets = vec![text.with(Param::Text(wanted.join(" AND ")))];
    if let [word] = words
        && let Ok(id) = word.parse()
    {
        sets.push(Sql::new("SELECT id AS found FROM users WHERE id = ?").with(Param::Integer(id)));
    }
    sets
}

/// Every three characters of a word, each once; of a long word the first.
fn trigrams(word: &str) -> Vec<String> {
    let chars: Vec<char> = word.chars().take(TRIGRAMS + 2).collect();
    let mut trigrams: Vec<String> = chars.windows(3).map(|three| three.iter().collect()).collect();
    trigrams.sort_unstable();
    trigrams.dedup();
    trigrams
}

fn all_of(trigrams: &[String]) -> String {
    let quoted = |three: &String| format!("\"{}\"", three.replace('"', "\"\""));
    format!("({})", trigrams.iter().map(quoted).collect::<Vec<_>>().join(" AND "))
}

/// More say little more about where a word stands.
const TRIGRAMS: usize = 24;
