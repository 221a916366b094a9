//! A page of a list, and how one gets to the others.

/// A place in a sorted list, opaque to a browser: what [`Page::next`] and [`Page::previous`] say. It is checked when it comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The sort key of the row there.
    pub key: String,
    /// The id of the row there.
    pub id: i64,
    /// Whether the page ends just before it rather than begins just after it.
    pub backwards: bool,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// What is on it.
    pub rows: Vec<T>,
    /// Where the next page begins, when there is one.
    pub next: Option<Place>,
    /// Where the page before ends, when there is one.
    pub previous: Option<Place>,
    /// How many there are on all pages.
    pub count: Count,
}

/// How many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Exactly(u64),
    /// Some so many: counting would take too long.
    About(u64),
    /// More than so many.
    MoreThan(u64),
}
