//! What lists share: where a page begins, the ways to the next and the one before, and the filters
//! above.

use askama::Template;
use countersign::store::admin::{Count, Page, PageCursor};

use crate::admin::kit::forms::Form;
use crate::admin::kit::page_error::PageError;
use crate::cursor::{decode, encode};
use crate::text::thousands;

/// Rows on a page.
pub(crate) const PAGE_ROWS: u32 = 100;

/// Where the page begins that the address asks for.
///
/// # Errors
/// A place that no page of ours named.
pub(crate) fn place(query: &Form) -> Result<Option<PageCursor>, PageError> {
    match query.text("at") {
        "" => Ok(None),
        text => decode(text).map(Some).ok_or_else(|| {
            PageError::bad(
                "The place in the list is none that a page named. Begin at the first page.",
            )
        }),
    }
}

/// The ways from one page of a list to the others: in a template `{{ pager|safe }}`.
#[derive(Debug, Template)]
#[template(path = "admin/pager.html")]
pub(crate) struct Pager {
    count: String,
    first: Option<String>,
    previous: Option<String>,
    next: Option<String>,
}

impl Pager {
    /// For this page of things of this name, which the address asked for.
    pub(crate) fn new<T>(page: &Page<T>, query: &Form, one: &str, several: &str) -> Self {
        let at = |place: &PageCursor| query.with(&[("at", &encode(place)), ("said", "")]);
        let is_first = query.text("at").is_empty() || page.previous.is_none();
        Self {
            count: counted(page.count, one, several),
            first: (!is_first).then(|| query.with(&[("at", ""), ("said", "")])),
            previous: page.previous.as_ref().map(at),
            next: page.next.as_ref().map(at),
        }
    }
}

impl Pager {
    /// Whether there is more to come: a page may have no rows and yet not be the last, where few of
    /// many fit the filters.
    pub(crate) fn goes_on(&self) -> bool {
        self.next.is_some()
    }
}

/// So many, in words.
pub(crate) fn counted(count: Count, one: &str, several: &str) -> String {
    match count {
        Count::Exactly(1) => format!("1 {one}"),
        Count::Exactly(n) => format!("{} {several}", thousands(n)),
        Count::About(n) => format!("about {} {several}", thousands(n)),
        Count::MoreThan(n) => format!("more than {} {several}", thousands(n)),
    }
}

/// A choice of one of several: in a template `{{ choice|safe }}`.
#[derive(Debug, Template)]
#[template(path = "admin/choice.html")]
pub(crate) struct Choice {
    name: &'static str,
    label: &'static str,
    options: Vec<ChoiceOption>,
}

#[derive(Debug)]
struct ChoiceOption {
    value: String,
    text: String,
    chosen: bool,
}

impl Choice {
    /// A choice between these, each a value and a text, of which the address chose one.
    pub(crate) fn new<V: Into<String>, T: Into<String>>(
        query: &Form,
        name: &'static str,
        label: &'static str,
        options: impl IntoIterator<Item = (V, T)>,
    ) -> Self {
        let chosen = query.text(name);
        let options = options.into_iter().map(|(value, text)| {
            let value = value.into();
            ChoiceOption { chosen: value == chosen, value, text: text.into() }
        });
        Self { name, label, options: options.collect() }
    }

    /// All, yes or no.
    pub(crate) fn yes_or_no(query: &Form, name: &'static str, label: &'static str) -> Self {
        Self::new(query, name, label, [("", "All"), ("yes", "Yes"), ("no", "No")])
    }
}

/// What a filter of yes or no asks for.
///
/// # Errors
/// Another word.
pub(crate) fn yes_or_no(query: &Form, name: &str) -> Result<Option<bool>, PageError> {
    match query.text(name) {
        "" => Ok(None),
        "yes" => Ok(Some(true)),
        "no" => Ok(Some(false)),
        _ => Err(unknown_choice()),
    }
}

/// A filter that no page offered.
pub(crate) fn unknown_choice() -> PageError {
    PageError::bad(
        "A filter in the address is none that the page offers. Begin at the list and choose there.",
    )
}
