//! Users as addresses and forms name them: one by an id, many by a search.

use countersign::store::admin::{Fingerprint, UserOrder, UserRecord, UserSearch};
use countersign::user::UserId;
use jiff::{SignedDuration, Timestamp};

use super::forms::Form;
use super::listing::{PAGE_ROWS, place, unknown_choice, yes_or_no};
use super::page_error::PageError;
use crate::admin::site::Admin;

/// The user whom an address names.
///
/// # Errors
/// A page that says that there is none.
pub(crate) async fn record(admin: &Admin, id: &str) -> Result<UserRecord, PageError> {
    let gone = || PageError::gone("There is no such user.");
    let id = id.parse::<UserId>().ok().filter(|id| id.as_i64().is_some()).ok_or_else(gone)?;
    admin.store.user_record(id).await?.ok_or_else(gone)
}

/// The row that the form was filled in upon.
///
/// # Errors
/// No fingerprint, or a text that is none.
pub(crate) fn fingerprint(form: &Form) -> Result<Fingerprint, PageError> {
    u128::from_str_radix(form.text("seen"), 16).map(|bits| Fingerprint(bits.to_be_bytes())).map_err(
        |_| {
            PageError::bad(
                "The form does not say what it was filled in upon. Load the page \
            again and fill it in once more.",
            )
        },
    )
}

/// A fingerprint as a form carries it.
pub(crate) fn seen(fingerprint: Fingerprint) -> String {
    format!("{:032x}", u128::from_be_bytes(fingerprint.0))
}

/// What the address asks for.
///
/// # Errors
/// A choice that no page offers, or a text that is too long.
pub(crate) fn search(query: &Form, now: Timestamp) -> Result<UserSearch, PageError> {
    let order = match COLUMNS.iter().find(|column| column.0 == query.text("o")) {
        Some(column) => column.2,
        None if query.text("o").is_empty() => UserOrder::Username,
        None => return Err(unknown_choice()),
    };
    let ago = |text: &str| -> Result<Option<Timestamp>, PageError> {
        let days: i64 = match text {
            "1" => 1,
            "7" => 7,
            "30" => 30,
            "365" => 365,
            _ => return Err(unknown_choice()),
        };
        Ok(now.checked_sub(SignedDuration::from_hours(24 * days)).ok())
    };
    let (joined, login) = (query.text("joined"), query.text("login"));
    if query.text("q").chars().count() > SEARCH_MAX_CHARS {
        return Err(PageError::bad(
            "What you search for is too long. Type a part of a name or an address.",
        ));
    }
    Ok(UserSearch {
        text: query.text("q").trim().to_owned(),
        active: yes_or_no(query, "active")?,
        staff: yes_or_no(query, "staff")?,
        superuser: yes_or_no(query, "superuser")?,
        second_factor: yes_or_no(query, "factor")?,
        group: query.number("group")?,
        joined_since: if joined.is_empty() { None } else { ago(joined)? },
        signed_in_since: if login.is_empty() || login.starts_with("not-") {
            None
        } else {
            ago(login)?
        },
        not_signed_in_since: login.strip_prefix("not-").map(ago).transpose()?.flatten(),
        order,
        descending: query.ticked("d"),
        from: place(query)?,
        limit: PAGE_ROWS,
        leaps: false,
    })
}

/// The columns that sort: the word in the address, the head, the order.
pub(crate) const COLUMNS: [(&str, &str, UserOrder); 6] = [
    ("username", "User name", UserOrder::Username),
    ("email", "E-mail address", UserOrder::Email),
    ("first", "First name", UserOrder::FirstName),
    ("last", "Last name", UserOrder::LastName),
    ("joined", "Joined", UserOrder::Joined),
    ("login", "Last login", UserOrder::LastLogin),
];

/// An e-mail address may have 254 characters.
const SEARCH_MAX_CHARS: usize = 254;
