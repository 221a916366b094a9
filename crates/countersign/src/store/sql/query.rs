//! Lists as SQL that both databases speak. What tells them apart is in a [`Dialect`]; which lists
//! there are, in [`searches`](super::searches).

use jiff::Timestamp;

use super::estimate::STRETCH;
use super::lists::{GATHERED, KeyKind, PageWindow};
use crate::user::UserId;

/// How a database writes what lists are sorted by.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// An e-mail address, and a first and a last name, in lower case of ASCII.
    pub(crate) lower: [&'static str; 3],
    /// The last login, and a value below all others for those who never did.
    pub(crate) last_login: &'static str,
    /// The id of a row of `t` as tables have it whose users may be elsewhere.
    pub(crate) owner: &'static str,
    /// What dates are in a [`PageCursor`](crate::store::admin::PageCursor).
    pub(crate) date: KeyKind,
    /// Whether a table may be told which index to use.
    pub(crate) is_told_the_index: bool,
    /// Whether a column, folded, holds a text.
    pub(crate) inside: fn(&str, &str) -> Sql,
    /// Queries of the ids of the users who may hold all these words, where an index has them.
    pub(crate) holding: fn(&[&str]) -> Vec<Sql>,
    /// All that the search looks into, as one text that an index of trigrams is on. A sample tells
    /// which words are rare enough for it.
    pub(crate) searched: Option<&'static str>,
}

/// A piece of SQL, with a `?` for each parameter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) params: Vec<Param>,
}

/// A parameter.
#[derive(Debug, Clone)]
pub(crate) enum Param {
    Integer(i64),
    Text(String),
    Date(Timestamp),
    User(UserId),
}

/// A list that was asked for.
#[derive(Debug)]
pub(crate) struct ListQuery {
    /// Ways to it that may be short, the best first.
    pub(crate) ways: Vec<Way>,
    /// The way for when none of those is.
    pub(crate) otherwise: Way,
    /// What rows must fulfil; empty for all.
    pub(crate) fits: Sql,
    /// How many filters that are.
    pub(crate) filters: usize,
    /// Whether every row on its one way fits.
    pub(crate) is_sure: bool,
    /// Each word that an index of trigrams may have.
    pub(crate) held: Vec<Held>,
    /// What rows must fulfil besides that; empty for nothing.
    pub(crate) besides: Sql,
    /// The group whose members the list has, where nothing else is asked of them.
    pub(crate) members: Option<i64>,
    /// With what the keys of rows that fit may begin.
    pub(crate) starts: Vec<String>,
    /// Whether a page leaps to a row that is known to fit, rather than be empty.
    pub(crate) leaps: bool,
    /// What it is sorted by, then by id.
    pub(crate) key: &'static str,
    pub(crate) kind: KeyKind,
    pub(crate) window: PageWindow,
}

/// That a row holds a word.
#[derive(Debug)]
pub(crate) struct Held {
    /// As it is.
    pub(crate) exactly: Sql,
    /// As the index of trigrams is asked: a few rows more may fulfil it.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite has no such index"))]
    pub(crate) roughly: Sql,
}

/// A way to the rows of a list: what stands behind `FROM`, and behind `WHERE`.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    from: Sql,
    matches: Sql,
    /// From where on the list's key lies on the way, and up to where.
    range: [Sql; 2],
    /// The ids of its rows, where those are gathered and sorted, rather than met in the order of
    /// the list; and the same with some of them twice, which takes less time to count.
    ids: Option<[Sql; 2]>,
}

/// A part of a way.
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// What is behind a place with its key and id.
    #[cfg(feature = "postgres")]
    Behind(Param, i64),
    /// Of that the rows with the same key.
    #[cfg(feature = "sqlite")]
    SameKey(Param, i64),
    /// And those with another.
    #[cfg(feature = "sqlite")]
    OtherKey(Param),
}

impl Sql {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), params: Vec::new() }
    }

    pub(crate) fn with(mut self, param: Param) -> Self {
        self.params.push(param);
        self
    }

    pub(super) fn push(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.params.extend(other.params);
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        if !self.text.is_empty() && !other.text.is_empty() {
            self.text.push_str(" AND ");
        }
        self.push(other);
        self
    }

    fn or_true(mut self) -> Self {
        if self.text.is_empty() {
            self.text.push_str("true");
        }
        self
    }
}

impl Way {
    /// The rows that match, in the order of the list, between two bounds of its key.
    pub(super) fn along(from: impl Into<String>, matches: Sql, range: [Sql; 2]) -> Self {
        Self { from: Sql::new(from), matches, range, ids: None }
    }

    /// Gathers the rows of `table` whose ids, called `found`, the queries have: as sets, each at
    /// most so large.
    pub(super) fn gather(table: &str, sets: &[Sql], limit: u32) -> Self {
        let union = |word: &str| {
            let mut union = Sql::default();
            for (number, set) in sets.iter().enumerate() {
                union.push(Sql::new(if number > 0 { word } else { "" }));
                union.push(Sql::new("SELECT found FROM ("));
                union.push(set.clone());
                union.push(Sql::new(format!(" LIMIT {limit}) s{number}")));
            }
            union
        };
        let [set, list] = [union(" UNION "), union(" UNION ALL ")];
        let from = Sql {
            text: format!("({}) d CROSS JOIN {table} t", set.text),
            params: set.params.clone(),
        };
        Self {
            from,
            matches: Sql::new("t.id = d.found"),
            range: Default::default(),
            ids: Some([set, list]),
        }
    }

    /// Whether its rows are gathered and sorted.
    pub(crate) fn is_gathered(&self) -> bool {
        self.ids.is_some()
    }

    /// How many rows are on it, or a few more, counted no farther than one can gather.
    pub(crate) fn length(&self) -> Sql {
        let mut sql = Sql::new("SELECT count(*) FROM (SELECT 1 FROM ");
        match &self.ids {
            Some([_, list]) => {
                sql.push(Sql::new("("));
                sql.push(list.clone());
                sql.push(Sql::new(") l"));
            }
            None => {
                sql.push(self.from.clone());
                sql.push(Sql::new(" WHERE "));
                sql.push(self.whole());
            }
        }
        sql.push(Sql::new(format!(" LIMIT {}) n", GATHERED + 1)));
        sql
    }

    /// How many of its rows fit. It must be short.
    pub(crate) fn fitting(&self, fits: &Sql) -> Sql {
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.push(self.from.clone());
        sql.push(Sql::new(" WHERE "));
        sql.push(self.whole().and(fits.clone()));
        sql
    }

    fn whole(&self) -> Sql {
        let [least, most] = self.range.clone();
        self.matches.clone().and(least).and(most).or_true()
    }
}

impl ListQuery {
    /// The SQL of a look: `id`, `place` (the key as text) and `fits` of each row on a part of a
    /// way, in order.
    pub(crate) fn look(&self, way: &Way, descending: bool, part: Part, place: &str) -> Sql {
        let (direction, sign) = if descending { ("DESC", "<") } else { ("ASC", ">") };
        let key = self.key;
        let by_key = format!("{key} {direction}, t.id {direction}");
        // A bound that the place goes beyond would only keep the database from seeking the place:
        // rows out of the range do not fit.
        let [least, most] = way.range.clone();
        let other_bound = if descending { least } else { most };
        let matches = way.matches.clone();
        let (matches, order) = match part {
            Part::Whole => (way.whole(), by_key),
            #[cfg(feature = "postgres")]
            Part::Behind(at, id) => {
                let behind = Sql::new(format!("({key}, t.id) {sign} (?, ?)"))
                    .with(at)
                    .with(Param::Integer(id));
                (matches.and(other_bound).and(behind), by_key)
            }
            // By the id alone: SQLite would sort by an expression that is always the same.
            #[cfg(feature = "sqlite")]
            Part::SameKey(at, id) => {
                let same = Sql::new(format!("{key} = ? AND t.id {sign} ?"))
                    .with(at)
                    .with(Param::Integer(id));
                (matches.and(same), format!("t.id {direction}"))
            }
            #[cfg(feature = "sqlite")]
            Part::OtherKey(at) => {
                (matches.and(other_bound).and(Sql::new(format!("{key} {sign} ?")).with(at)), by_key)
            }
        };
        let mut sql = Sql::new(format!("SELECT t.id AS id, {place} AS place, ("));
        sql.push(self.fits.clone().or_true());
        sql.push(Sql::new(") AS fits FROM "));
        sql.push(way.from.clone());
        sql.push(Sql::new(" WHERE "));
        sql.push(matches);
        sql.push(Sql::new(format!(" ORDER BY {order}")));
        sql
    }

    /// Whether a look may pass rows that do not fit.
    #[cfg(feature = "postgres")]
    pub(crate) fn may_pass(&self) -> bool {
        !self.fits.text.is_empty()
    }

    /// The key of a place as a parameter; `None` for one that cannot be.
    pub(crate) fn key_of(&self, text: &str) -> Option<Param> {
        match self.kind {
            KeyKind::Text => (!text.contains('\0')).then(|| Param::Text(text.to_owned())),
            KeyKind::Integer => text.parse().ok().map(Param::Integer),
            #[cfg(feature = "postgres")]
            KeyKind::Date => {
                let micros: i64 = text.parse().ok()?;
                Timestamp::from_microsecond(micros).ok().map(Param::Date)
            }
        }
    }

    /// Of the first rows of `table` from one id to another: how many they are, how many of them
    /// fit, and the last one's id; and how many hold each word, as `held0` and so on.
    pub(crate) fn stretch(&self, table: &str, bounds: (&str, &str)) -> Sql {
        match self.members {
            Some(group) => of_members(group, table, bounds),
            None if self.held.is_empty() => self.of_rows(table, bounds),
            None => self.of_words(table, bounds),
        }
    }

    fn of_rows(&self, table: &str, bounds: (&str, &str)) -> Sql {
        let mut sql = Sql::new(
            "SELECT count(*) AS many, count(CASE WHEN fits THEN 1 END) AS fitting, max(id) AS \
             reached FROM (SELECT t.id AS id, (",
        );
        sql.push(self.fits.clone().or_true());
        sql.push(Sql::new(format!(") AS fits{}) s", beginning(table, bounds))));
        sql
    }

    /// Each word is looked for once, and the rest where all words are held.
    fn of_words(&self, table: &str, bounds: (&str, &str)) -> Sql {
        let held: Vec<String> = (0..self.held.len()).map(|number| format!("h{number}")).collect();
        let mut sql = Sql::new(format!(
            "SELECT count(*) AS many, max(id) AS reached, count(CASE WHEN {} AND ",
            held.join(" AND ")
        ));
        sql.push(self.besides.clone().or_true());
        sql.push(Sql::new(" THEN 1 END) AS fitting"));
        for (number, held) in held.iter().enumerate() {
            sql.push(Sql::new(format!(", count(CASE WHEN {held} THEN 1 END) AS held{number}")));
        }
        sql.push(Sql::new(" FROM (SELECT t.*"));
        for (name, held) in held.iter().zip(&self.held) {
            sql.push(Sql::new(", ("));
            sql.push(held.exactly.clone());
            sql.push(Sql::new(format!(") AS {name}")));
        }
        sql.push(Sql::new(format!("{}) t", beginning(table, bounds))));
        sql
    }

    /// Those of the same rows that fit: `id`, and `place` as in a look.
    pub(crate) fn known(&self, table: &str, bounds: (&str, &str), place: &str) -> Sql {
        let mut sql =
            Sql::new(format!("SELECT id, place FROM (SELECT t.id AS id, {place} AS place, ("));
        sql.push(self.fits.clone().or_true());
        sql.push(Sql::new(format!(") AS fits{}) s WHERE fits", beginning(table, bounds))));
        sql
    }

    /// The way to the rows that hold all words but those that are common; `None` without one.
    #[cfg(feature = "postgres")]
    pub(crate) fn by_words(&self, is_common: impl Fn(usize) -> bool) -> Option<Way> {
        let rare = self.held.iter().enumerate().filter(|(number, _)| !is_common(*number));
        let rare = rare.fold(Sql::default(), |all, (_, held)| all.and(held.roughly.clone()));
        let mut ids = Sql::new("SELECT id AS found FROM users WHERE ");
        (!rare.text.is_empty()).then(|| {
            ids.push(rare);
            Way::gather("users", &[ids], GATHERED + 1)
        })
    }
}

/// The first rows of a table, `t`, from one id to another.
fn beginning(table: &str, (from, to): (&str, &str)) -> String {
    format!(" FROM {table} t WHERE t.id >= {from} AND t.id <= {to} ORDER BY t.id LIMIT {STRETCH}")
}

/// Members are met in the order of their ids, so those of a stretch are read in one piece, where
/// each of its rows would be looked up by itself. The sum keeps the database from reading the
/// group's index, which has all members.
fn of_members(group: i64, table: &str, bounds: (&str, &str)) -> Sql {
    let mut sql = Sql::new(
        "SELECT s.many, s.reached, (SELECT count(*) FROM user_groups m WHERE m.group_id + 0 = ? \
         AND m.user_id >= s.least AND m.user_id <= s.reached) AS fitting",
    )
    .with(Param::Integer(group));
    sql.push(Sql::new(format!(
        " FROM (SELECT count(*) AS many, min(id) AS least, max(id) AS reached FROM (SELECT t.id AS \
         id{}) r) s",
        beginning(table, bounds)
    )));
    sql
}

/// A text that PostgreSQL takes too: it has no NUL, and neither has a name.
pub(crate) fn without_nul(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').collect()
}
