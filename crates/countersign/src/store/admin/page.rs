//! A page of a list, and how one gets to the others.

/// A place in a sorted list, opaque to a browser: what [`Page::next`] and [`Page::previous`] say.
/// It is checked when it comes back.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{PageCursor, UserAdmin, UserSearch};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// // From the end of the list backwards.
/// let end = PageCursor { key: "\u{10FFFF}".to_owned(), id: i64::MAX, backwards: true };
/// let page = store
///     .find_users(&UserSearch { from: Some(end), limit: 10, ..UserSearch::default() })
///     .await
///     .unwrap();
/// assert_eq!(page.rows.last().unwrap().id, ada.id);
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageCursor {
    /// The sort key of the row there.
    pub key: String,
    /// The id of the row there.
    pub id: i64,
    /// Whether the page ends just before it rather than begins just after it.
    pub backwards: bool,
}

/// A page of a list.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Count, UserAdmin, UserSearch};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let page = store.find_users(&UserSearch { limit: 10, ..UserSearch::default() }).await.unwrap();
/// assert_eq!((page.rows.len(), page.count), (1, Count::Exactly(1)));
/// assert!(page.next.is_none() && page.previous.is_none());
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// What is on it. Fewer than were asked for, even none, where a filter lets few through: a page
    /// looks at some thousand rows, and the next one goes on from there.
    pub rows: Vec<T>,
    /// Where the next page begins, when there is one.
    pub next: Option<PageCursor>,
    /// Where the page before ends, when there is one.
    pub previous: Option<PageCursor>,
    /// How many there are on all pages.
    pub count: Count,
}

/// How many.
///
/// ```
/// use countersign::store::admin::Count;
///
/// let text = match Count::About(1_000_000) {
///     Count::Exactly(n) => n.to_string(),
///     Count::About(n) => format!("about {n}"),
///     Count::MoreThan(n) => format!("more than {n}"),
/// };
/// assert_eq!(text, "about 1000000");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Exactly(u64),
    /// Some so many: counting would take too long.
    About(u64),
    /// More than so many.
    MoreThan(u64),
}
