//! Which rows the lists of the admin site have, and on which ways they are found.

use jiff::Timestamp;

use super::lists::{GATHERED, KeyKind, PageWindow};
use super::query::{Dialect, Held, ListQuery, Param, Sql, Way, without_nul};
use crate::store::admin::{AuditSearch, SessionSearch, UserOrder, UserSearch, Who};
use crate::user::{UserId, fold};

/// Users as asked for.
pub(crate) fn users(asked: &UserSearch, dialect: &Dialect) -> ListQuery {
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
    // Each filter, and sets of the ids that pass it where an index has them.
    let mut filters: Vec<(Sql, Vec<Sql>)> = Vec::new();
    let mut flag = |wanted: Option<bool>, column: &str, rare: bool| {
        if let Some(wanted) = wanted {
            let condition =
                Sql::new(if wanted { column.to_owned() } else { format!("NOT {column}") });
            filters.push((
                condition.clone(),
                if wanted == rare { vec![ids(&condition)] } else { Vec::new() },
            ));
        }
    };
    flag(asked.superuser, "is_superuser", true);
    flag(asked.staff, "is_staff", true);
    flag(asked.active, "is_active", false);
    if let Some(wanted) = asked.second_factor {
        // Who has a number has one or had one, and has an index.
        let has = format!(
            "t.factors > 0 AND (SELECT 1 FROM factors f WHERE f.user_id = {} AND f.confirmed_at IS \
             NOT NULL LIMIT 1) IS NOT NULL",
            dialect.owner
        );
        let those = Sql::new(format!("SELECT t.id AS found FROM users t WHERE {has}"));
        filters.push(if wanted {
            (Sql::new(has), vec![those])
        } else {
            (Sql::new(format!("NOT ({has})")), Vec::new())
        });
    }
    if let Some(group) = asked.group {
        // Written as EXISTS, PostgreSQL would read the whole group for a page of it.
        let is_member = "(SELECT m.group_id FROM user_groups m WHERE m.user_id = t.id AND \
            m.group_id = ?) IS NOT NULL";
        let members = "SELECT user_id AS found FROM user_groups WHERE group_id = ?";
        filters.push((
            Sql::new(is_member).with(Param::Integer(group)),
            vec![Sql::new(members).with(Param::Integer(group))],
        ));
    }
    let mut range = <[Sql; 2]>::default();
    for (column, order, condition, bound, at) in [
        ("date_joined", UserOrder::Joined, ">= ?", 0, asked.joined_since),
        (dialect.last_login, UserOrder::LastLogin, ">= ?", 0, asked.signed_in_since),
        (dialect.last_login, UserOrder::LastLogin, "< ?", 1, asked.not_signed_in_since),
    ] {
        let Some(at) = at else { continue };
        let condition = Sql::new(format!("{column} {condition}")).with(Param::Date(at));
        if asked.order == order {
            range[bound] = condition.clone();
        }
        filters.push((condition.clone(), vec![ids(&condition)]));
    }
    let text = without_nul(&asked.text);
    let words: Vec<&str> = text.split_whitespace().take(WORDS).collect();
    let columns = [NAME, email, first_name, last_name];
    let hold = |words: &[&str]| {
        words.iter().map(|word| holds(word, columns, dialect)).fold(Sql::default(), Sql::and)
    };
    let longest = dialect.searched.map_or_else(Vec::new, |_| longest(&words));
    let others: Vec<&str> = words.iter().copied().filter(|word| !longest.contains(word)).collect();
    let held = longest.iter().map(|word| Held {
        exactly: holds(word, columns, dialect),
        roughly: dialect
            .searched
            .map(|text| holds_roughly(word, text, dialect))
            .unwrap_or_default(),
    });
    let besides = filters.iter().map(|(condition, _)| condition.clone());
    let besides = besides.fold(Sql::default(), Sql::and).and(hold(&others));
    if !words.is_empty() {
        let condition = hold(&words);
        let sets = (dialect.holding)(&words);
        filters.push((condition, sets));
    }
    let ways: Vec<_> = filters
        .iter()
        .filter(|(_, sets)| !sets.is_empty())
        .map(|(_, sets)| Way::gather("users", sets, GATHERED + 1))
        .collect();
    let count = filters.len();
    let fits = filters.into_iter().fold(Sql::default(), |fits, (condition, _)| fits.and(condition));
    // An index of parts of words finds a few rows more than fit.
    let is_sure = count == 1 && ways.len() == 1 && words.is_empty();
    ListQuery {
        ways,
        otherwise: Way::along(dialect.table("users", index), Sql::default(), range),
        fits,
        filters: count,
        is_sure,
        held: held.collect(),
        besides,
        members: asked.group.filter(|_| count == 1),
        starts: starts(&words, asked.order),
        leaps: asked.leaps,
        key,
        kind,
        window: PageWindow::new(asked.from.clone(), asked.descending, asked.limit),
    }
}

/// The words that an index of trigrams has, the longest first: those are the rarest, mostly.
fn longest<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let length = |word: &&str| word.chars().count();
    let mut long: Vec<&str> = words.iter().copied().filter(|word| length(word) >= 3).collect();
    long.sort_by_key(|word| (std::cmp::Reverse(length(word)), *word));
    long.dedup();
    long.truncate(TELLING);
    long
}

/// With what the key of a row may begin that holds these words, in the form of the key.
fn starts(words: &[&str], order: UserOrder) -> Vec<String> {
    let words = words.iter().take(TELLING);
    match order {
        UserOrder::Username => words.map(|word| fold(word)).collect(),
        UserOrder::Email | UserOrder::FirstName | UserOrder::LastName => {
            words.map(|word| word.to_ascii_lowercase()).collect()
        }
        UserOrder::Joined | UserOrder::LastLogin => Vec::new(),
    }
}

/// Sessions as asked for.
pub(crate) fn sessions(asked: &SessionSearch, dialect: &Dialect) -> ListQuery {
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
        filter(of_user(user, dialect), condition);
    }
    if let Some(reason) = asked.reason {
        let condition = Sql::new("revoked_at IS NOT NULL AND revoked_reason = ?")
            .with(Param::Text(reason.as_str().to_owned()));
        filter(
            Way::along(indexed("sessions_reason"), condition.clone(), Default::default()),
            condition,
        );
    }
    if let Some(transport) = asked.transport {
        let condition = Sql::new("transport = ?").with(Param::Text(transport.as_str().to_owned()));
        filter(
            Way::along(indexed("sessions_transport"), condition.clone(), Default::default()),
            condition,
        );
    }
    match asked.live {
        Some(true) => {
            let condition = Sql::new("revoked_at IS NULL AND expires_at > ?").with(now());
            filter(
                Way::along(
                    indexed("sessions_begun"),
                    Sql::new("revoked_at IS NULL"),
                    Default::default(),
                ),
                condition,
            );
        }
        Some(false) => {
            let condition = Sql::new("(revoked_at IS NOT NULL OR expires_at <= ?)").with(now());
            let revoked = Sql::new("SELECT id AS found FROM sessions WHERE revoked_at IS NOT NULL");
            let expired =
                Sql::new("SELECT id AS found FROM sessions WHERE expires_at <= ?").with(now());
            filter(Way::gather("sessions", &[revoked, expired], GATHERED + 1), condition);
        }
        None => {}
    }
    let otherwise = Way::along(indexed("sessions_made"), Sql::default(), Default::default());
    let window = PageWindow::new(asked.from.clone(), true, asked.limit);
    let is_sure = filters == 1 && asked.live.is_none();
    ListQuery {
        ways,
        otherwise,
        fits,
        filters,
        is_sure,
        held: Vec::new(),
        besides: Sql::default(),
        members: None,
        starts: Vec::new(),
        leaps: false,
        key: "created_at",
        kind: KeyKind::Integer,
        window,
    }
}

/// A user's sessions. SQLite has an index of the live ones and one of those that ended, and is told
/// which to use.
fn of_user(user: UserId, dialect: &Dialect) -> Way {
    let own = |table: &str, state: &str| {
        Sql::new(format!("SELECT id AS found FROM {table} WHERE user_id = ?{state}"))
            .with(Param::User(user))
    };
    if !dialect.is_told_the_index {
        return Way::along(
            "sessions t",
            Sql::new("user_id = ?").with(Param::User(user)),
            Default::default(),
        );
    }
    let live = own("sessions INDEXED BY sessions_live", " AND revoked_at IS NULL");
    let ended = own("sessions INDEXED BY sessions_ended", " AND revoked_at IS NOT NULL");
    Way::gather("sessions", &[live, ended], GATHERED + 1)
}

/// Lines of the audit log as asked for.
pub(crate) fn audit(asked: &AuditSearch, dialect: &Dialect) -> ListQuery {
    let bound = |condition: &str, at: Option<Timestamp>| {
        at.map_or_else(Sql::default, |at| {
            Sql::new(condition).with(Param::Integer(at.as_microsecond()))
        })
    };
    let range = [bound("at >= ?", asked.since), bound("at < ?", asked.until)];
    let time = range[0].clone().and(range[1].clone());
    let (mut ways, mut fits, mut filters) = (Vec::new(), Sql::default(), 0);
    for (column, param) in [
        ("session_id", asked.session.map(|id| Param::Integer(id.get().cast_signed()))),
        ("user_id", asked.user.map(Param::User)),
        ("actor_id", asked.actor.as_ref().and_then(Who::user).map(Param::User)),
        ("actor", asked.actor.as_ref().and_then(Who::name).map(Param::Text)),
        ("ip", asked.ip.map(|ip| Param::Text(ip.to_string()))),
        ("kind", asked.kind.map(|kind| Param::Text(kind.as_str().to_owned()))),
    ] {
        let Some(param) = param else { continue };
        let condition = Sql::new(format!("{column} = ?")).with(param);
        ways.push(Way::along(
            dialect.table("audit_events", &format!("audit_{column}")),
            condition.clone(),
            range.clone(),
        ));
        fits = fits.and(condition);
        filters += 1;
    }
    let by_time =
        Way::along(dialect.table("audit_events", "audit_at"), Sql::default(), range.clone());
    if !time.text.is_empty() {
        ways.push(by_time.clone());
        fits = fits.and(time);
        filters += 1;
    }
    let window = PageWindow::new(asked.from.clone(), true, asked.limit);
    ListQuery {
        ways,
        otherwise: by_time,
        fits,
        filters,
        is_sure: filters == 1,
        held: Vec::new(),
        besides: Sql::default(),
        members: None,
        starts: Vec::new(),
        leaps: false,
        key: "at",
        kind: KeyKind::Integer,
        window,
    }
}

/// Whether a word is inside a name or an address, in any case; or whether it is the id.
fn holds(word: &str, columns: [&str; 4], dialect: &Dialect) -> Sql {
    let (folded, lower) = (fold(word), word.to_ascii_lowercase());
    let mut condition = Sql::new("(");
    for (number, column) in columns.into_iter().enumerate() {
        condition.push(Sql::new(if number == 0 { "" } else { " OR " }));
        condition.push((dialect.inside)(column, if number == 0 { &folded } else { &lower }));
    }
    condition.push(or_is_the_id(word));
    condition
}

/// The same of all columns in one text, where a name may be folded otherwise than the rest.
fn holds_roughly(word: &str, text: &str, dialect: &Dialect) -> Sql {
    let (folded, lower) = (fold(word), word.to_ascii_lowercase());
    let mut condition = Sql::new("(");
    condition.push((dialect.inside)(text, &folded));
    if lower != folded {
        condition.push(Sql::new(" OR "));
        condition.push((dialect.inside)(text, &lower));
    }
    condition.push(or_is_the_id(word));
    condition
}

fn or_is_the_id(word: &str) -> Sql {
    match word.parse() {
        Ok(id) => Sql::new(" OR id = ?)").with(Param::Integer(id)),
        Err(_) => Sql::new(")"),
    }
}

impl Dialect {
    fn table(&self, table: &str, index: &str) -> String {
        if self.is_told_the_index {
            format!("{table} t INDEXED BY {index}")
        } else {
            format!("{table} t")
        }
    }
}

/// A user's name as it is sorted and searched: in any case, and as it is where nobody folded it.
const NAME: &str = "coalesce(username_folded, username)";

/// Of how many words it is asked how common each is, and which keys begin with it.
const TELLING: usize = 3;

/// Words of a search that count; further ones are left out.
const WORDS: usize = 16;
