//! The lists as SQL that both databases speak. What tells them apart is in a [`Dialect`].

use jiff::Timestamp;

use super::estimate::STRETCH;
use super::lists::{GATHERED, Look, Window};
use super::{AuditSearch, SessionSearch, UserOrder, UserSearch};
use crate::user::{UserId, fold};

/// How a database writes what lists are sorted by.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// An e-mail address, and a first and a last name, in lower case of ASCII.
    pub(crate) lower: [&'static str; 3],
    /// The last login, and a value below all others for those who never did.
    pub(crate) last_login: &'static str,
    /// What dates are in a [`Place`](super::Place).
    pub(crate) date: KeyKind,
    /// Whether a table may be told which index to use.
    pub(crate) is_told_the_index: bool,
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

/// What the sort key of a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Text,
    Integer,
    /// A date that a [`Place`](super::Place) holds as microseconds since 1970.
    #[cfg(feature = "postgres")]
    Date,
}

/// A list that was asked for.
#[derive(Debug)]
pub(crate) struct Listing {
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
    /// What it is sorted by, then by id.
    pub(crate) key: &'static str,
    pub(crate) kind: KeyKind,
    pub(crate) window: Window,
}

/// A way to the rows of a list: what stands behind `FROM`, and behind `WHERE`.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    from: Sql,
    matches: Sql,
    /// The ids of its rows, where those are gathered and sorted, rather than met in the order of the list.
    ids: Option<Sql>,
}

impl Sql {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), params: Vec::new() }
    }

    pub(crate) fn with(mut self, param: Param) -> Self {
        self.params.push(param);
        self
    }

    fn push(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.params.extend(other.params);
    }

    fn and(mut self, other: Self) -> Self {
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
    fn along(from: impl Into<String>, matches: Sql) -> Self {
        Self { from: Sql::new(from), matches, ids: None }
    }

    /// Gathers the rows of `table` whose ids, called `found`, the query has.
    fn gather(table: &str, ids: Sql, limit: u32) -> Self {
        let ids = Sql { text: format!("SELECT found FROM ({}) ids LIMIT {limit}", ids.text), params: ids.params };
        let from = Sql { text: format!("({}) d CROSS JOIN {table} t", ids.text), params: ids.params.clone() };
        Self { from, matches: Sql::new("t.id = d.found"), ids: Some(ids) }
    }

    /// Whether its rows are gathered and sorted.
    pub(crate) fn is_gathered(&self) -> bool {
        self.ids.is_some()
    }

    /// How many rows are on it, counted no farther than one can gather.
    pub(crate) fn length(&self) -> Sql {
        let mut sql = Sql::new("SELECT count(*) FROM (");
        match &self.ids {
            Some(ids) => sql.push(ids.clone()),
            None => {
                sql.push(Sql::new("SELECT 1 FROM "));
                sql.push(self.from.clone());
                sql.push(Sql::new(" WHERE "));
                sql.push(self.matches.clone().or_true());
                sql.push(Sql::new(format!(" LIMIT {}", GATHERED + 1)));
            }
        }
        sql.push(Sql::new(") n"));
        sql
    }

    /// How many of its rows fit. It must be one that can be gathered.
    pub(crate) fn fitting(&self, fits: &Sql) -> Sql {
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.push(self.from.clone());
        sql.push(Sql::new(" WHERE "));
        sql.push(self.matches.clone().and(fits.clone()).or_true());
        sql
    }
}

impl Listing {
    /// The looks' SQL: `id`, `place` (the key as text) and `fits` of each row on the way, in order.
    ///
    /// `behind` is the condition that the look begins with, of [`Listing::behind`].
    pub(crate) fn look(&self, way: &Way, look: &Look, behind: Sql, place: &str) -> Sql {
        let direction = if look.descending { "DESC" } else { "ASC" };
        let key = self.key;
        let mut sql = Sql::new(format!("SELECT t.id AS id, {place} AS place, ("));
        sql.push(self.fits.clone().or_true());
        sql.push(Sql::new(") AS fits FROM "));
        sql.push(way.from.clone());
        sql.push(Sql::new(" WHERE "));
        sql.push(way.matches.clone().and(behind).or_true());
        sql.push(Sql::new(format!(" ORDER BY {key} {direction}, t.id {direction}")));
        sql
    }

    /// Whether a look on this way may pass rows that do not fit, more and more of them.
    pub(crate) fn may_pass(&self, way: &Way) -> bool {
        !self.fits.text.is_empty() && !way.is_gathered()
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

    /// Of the first rows of `table` from one id to another: how many they are, how many of them fit, and the last one's id.
    pub(crate) fn stretch(&self, table: &str, (from, to): (&str, &str)) -> Sql {
        let mut sql =
            Sql::new("SELECT count(*) AS many, count(CASE WHEN fits THEN 1 END) AS fitting, max(id) AS reached FROM (SELECT t.id AS id, (");
        sql.push(self.fits.clone().or_true());
        sql.push(Sql::new(format!(") AS fits FROM {table} t WHERE t.id >= {from} AND t.id <= {to} ORDER BY t.id LIMIT {STRETCH}) s")));
        sql
    }
}

/// Users as asked for.
pub(crate) fn users(asked: &UserSearch, dialect: &Dialect) -> Listing {
    let [email, first_name, last_name] = dialect.lower;
    let (key, kind, index) = match asked.order {
        UserOrder::Username => (NAME, KeyKind::Text, "users_by_name"),
        UserOrder::Email => (email, KeyKind::Text, "users_by_email"),
        UserOrder::FirstName => (first_name, KeyKind::Text, "users_by_first_name"),
        UserOrder::LastName => (last_name, KeyKind::Text, "users_by_last_name"),
        UserOrder::Joined => ("date_joined", dialect.date, "users_by_joined"),
        UserOrder::LastLogin => (dialect.last_login, dialect.date, "users_by_last_login"),
    };
    let ids = |condition: &Sql| {
        let mut ids = Sql::new("SELECT id AS found FROM users WHERE ");
        ids.push(condition.clone());
        ids
    };
    // Each filter, and the ids that pass it where an index has them.
    let mut filters: Vec<(Sql, Option<Sql>)> = Vec::new();
    let mut flag = |wanted: Option<bool>, column: &str, rare: bool| {
        if let Some(wanted) = wanted {
            let condition = Sql::new(if wanted { column.to_owned() } else { format!("NOT {column}") });
            filters.push((condition.clone(), (wanted == rare).then(|| ids(&condition))));
        }
    };
    flag(asked.superuser, "is_superuser", true);
    flag(asked.staff, "is_staff", true);
    flag(asked.active, "is_active", false);
    if let Some(group) = asked.group {
        let is_member = "EXISTS (SELECT 1 FROM user_groups m WHERE m.user_id = t.id AND m.group_id = ?)";
        let members = "SELECT user_id AS found FROM user_groups WHERE group_id = ?";
        filters.push((Sql::new(is_member).with(Param::Integer(group)), Some(Sql::new(members).with(Param::Integer(group)))));
    }
    let mut along = Sql::default();
    for (column, order, condition, at) in [
        ("date_joined", UserOrder::Joined, ">= ?", asked.joined_since),
        (dialect.last_login, UserOrder::LastLogin, ">= ?", asked.signed_in_since),
        (dialect.last_login, UserOrder::LastLogin, "< ?", asked.not_signed_in_since),
    ] {
        let Some(at) = at else { continue };
        let condition = Sql::new(format!("{column} {condition}")).with(Param::Date(at));
        if asked.order == order {
            along = along.and(condition.clone());
        }
        filters.push((condition.clone(), Some(ids(&condition))));
    }
    let mut otherwise = Way::along(dialect.table("users", index), along);
    let text = without_nul(&asked.text);
    if !text.is_empty() {
        let lower = text.to_ascii_lowercase();
        let ranges = [(NAME, fold(&text)), (email, lower.clone()), (first_name, lower.clone()), (last_name, lower)];
        let (mut condition, mut all, mut some) = (Sql::new("("), Sql::default(), Sql::default());
        for (number, (column, begins)) in ranges.into_iter().enumerate() {
            let range = Sql::new(format!("({column} >= ? AND {column} < ?)"));
            let range = range.with(Param::Text(begins.clone())).with(Param::Text(format!("{begins}{}", char::MAX)));
            for (union, limit) in [(&mut all, GATHERED + 1), (&mut some, SEARCHED)] {
                if number > 0 {
                    union.push(Sql::new(" UNION "));
                }
                union.push(Sql::new("SELECT found FROM ("));
                union.push(ids(&range));
                union.push(Sql::new(format!(" ORDER BY {column} LIMIT {limit}) r{number}")));
            }
            condition.push(Sql::new(if number > 0 { " OR " } else { "" }));
            condition.push(range);
        }
        condition.push(Sql::new(")"));
        otherwise = Way::gather("users", some, 4 * SEARCHED);
        filters.push((condition, Some(all)));
    }
    let ways: Vec<_> = filters.iter().filter_map(|(_, ids)| ids.clone()).map(|ids| Way::gather("users", ids, GATHERED + 1)).collect();
    let count = filters.len();
    let fits = filters.into_iter().fold(Sql::default(), |fits, (condition, _)| fits.and(condition));
    let is_sure = count == 1 && ways.len() == 1;
    Listing {
        ways,
        otherwise,
        fits,
        filters: count,
        is_sure,
        key,
        kind,
        window: Window::new(asked.from.clone(), asked.descending, asked.limit),
    }
}

/// Sessions as asked for.
pub(crate) fn sessions(asked: &SessionSearch, dialect: &Dialect) -> Listing {
    let indexed = |index: &str| dialect.table("sessions", index);
    let now = || Param::Integer(asked.now.as_microsecond());
    let (mut ways, mut fits, mut filters) = (Vec::new(), Sql::default(), 0);
    let mut filter = |way: Way, condition: Sql| {
        ways.push(way);
        fits = std::mem::take(&mut fits).and(condition);
        filters += 1;
    };
    if let Some(user) = asked.user {
        let condition = Sql::new("user_id = ?").with(Param::User(user));
        filter(Way::along(indexed("sessions_of_user"), condition.clone()), condition);
    }
    if let Some(reason) = asked.reason {
        let condition = Sql::new("revoked_at IS NOT NULL AND revoked_reason = ?").with(Param::Text(reason.as_str().to_owned()));
        filter(Way::along(indexed("sessions_reason"), condition.clone()), condition);
    }
    if let Some(transport) = asked.transport {
        let condition = Sql::new("transport = ?").with(Param::Text(transport.as_str().to_owned()));
        filter(Way::along(indexed("sessions_transport"), condition.clone()), condition);
    }
    match asked.live {
        Some(true) => {
            let condition = Sql::new("revoked_at IS NULL AND expires_at > ?").with(now());
            filter(Way::along(indexed("sessions_begun"), Sql::new("revoked_at IS NULL")), condition);
        }
        Some(false) => {
            let condition = Sql::new("(revoked_at IS NOT NULL OR expires_at <= ?)").with(now());
            let limit = GATHERED + 1;
            let ids = format!(
                "SELECT found FROM (SELECT id AS found FROM sessions WHERE revoked_at IS NOT NULL LIMIT {limit}) a UNION
                 SELECT found FROM (SELECT id AS found FROM sessions WHERE expires_at <= ? LIMIT {limit}) b"
            );
            filter(Way::gather("sessions", Sql::new(ids).with(now()), limit), condition);
        }
        None => {}
    }
    let otherwise = Way::along(indexed("sessions_made"), Sql::default());
    let window = Window::new(asked.from.clone(), true, asked.limit);
    let is_sure = filters == 1 && asked.live.is_none();
    Listing { ways, otherwise, fits, filters, is_sure, key: "created_at", kind: KeyKind::Integer, window }
}

/// Lines of the audit log as asked for.
pub(crate) fn audit(asked: &AuditSearch, dialect: &Dialect) -> Listing {
    let mut time = Sql::default();
    for (condition, at) in [("at >= ?", asked.since), ("at < ?", asked.until)] {
        if let Some(at) = at {
            time = time.and(Sql::new(condition).with(Param::Integer(at.as_microsecond())));
        }
    }
    let (mut ways, mut fits, mut filters) = (Vec::new(), Sql::default(), 0);
    for (column, param) in [
        ("session_id", asked.session.map(|id| Param::Integer(id.get().cast_signed()))),
        ("user_id", asked.user.map(Param::User)),
        ("actor_id", asked.actor.map(Param::User)),
        ("ip", asked.ip.map(|ip| Param::Text(ip.to_string()))),
        ("kind", asked.kind.map(|kind| Param::Text(kind.as_str().to_owned()))),
    ] {
        let Some(param) = param else { continue };
        let condition = Sql::new(format!("{column} = ?")).with(param);
        ways.push(Way::along(dialect.table("audit_events", &format!("audit_{column}")), condition.clone().and(time.clone())));
        fits = fits.and(condition);
        filters += 1;
    }
    let by_time = Way::along(dialect.table("audit_events", "audit_at"), time.clone());
    if !time.text.is_empty() {
        ways.push(by_time.clone());
        fits = fits.and(time);
        filters += 1;
    }
    let window = Window::new(asked.from.clone(), true, asked.limit);
    Listing { ways, otherwise: by_time, fits, filters, is_sure: filters == 1, key: "at", kind: KeyKind::Integer, window }
}

/// A text that PostgreSQL takes too: it has no NUL, and neither has a name.
pub(crate) fn without_nul(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').collect()
}

impl Dialect {
    fn table(&self, table: &str, index: &str) -> String {
        if self.is_told_the_index { format!("{table} t INDEXED BY {index}") } else { format!("{table} t") }
    }
}

/// A user's name as it is sorted and searched: in any case, and as it is where nobody folded it.
const NAME: &str = "coalesce(username_folded, username)";

/// How many names, addresses, first and last names a text finds that more begin with than can be gathered.
const SEARCHED: u32 = 1_000;
