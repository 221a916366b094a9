//! Pages of sorted lists, by the key of their first or last row: the last page costs what the first
//! does.

use std::cmp::Ordering;

use crate::store::admin::PageCursor;

/// What the sort key of a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Text,
    Integer,
    /// A date that a [`PageCursor`] holds as microseconds since 1970.
    #[cfg(feature = "postgres")]
    Date,
}

/// A row's place in the order of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At {
    /// Its sort key.
    pub(crate) key: String,
    /// Its id.
    pub(crate) id: i64,
}

/// A look along a list.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// Whether the greatest come first.
    pub(crate) descending: bool,
    /// Behind which place.
    pub(crate) behind: Option<At>,
    /// For how many rows.
    pub(crate) many: usize,
    /// Past how many that do not fit, at most.
    pub(crate) passes: usize,
}

/// What a look found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Rows that fit, in order.
    pub(crate) rows: Vec<At>,
    /// The last row that was looked at, when the look ended with it rather than with the list.
    pub(crate) stopped: Option<At>,
    /// Whether it began behind rows at which nobody looked.
    pub(crate) leapt: bool,
}

impl Found {
    /// What a look would find among these rows, which are all there are, in ascending order.
    pub(crate) fn among(all: &[At], kind: KeyKind, look: &Look) -> Self {
        let place = look.behind.as_ref();
        let is_behind = |at: &&At| {
            place.is_none_or(|place| {
                let order = at.compare(place, kind);
                if look.descending { order.is_lt() } else { order.is_gt() }
            })
        };
        let rows: Vec<At> = if look.descending {
            all.iter().rev().filter(is_behind).take(look.many).cloned().collect()
        } else {
            all.iter().filter(is_behind).take(look.many).cloned().collect()
        };
        Self { rows, stopped: None, leapt: false }
    }
}

impl At {
    /// As the databases have it: texts by their bytes.
    fn compare(&self, other: &Self, kind: KeyKind) -> Ordering {
        let number = |at: &Self| at.key.parse::<i64>().ok();
        let by_key = if kind == KeyKind::Text {
            self.key.cmp(&other.key)
        } else {
            number(self).cmp(&number(other))
        };
        by_key.then(self.id.cmp(&other.id))
    }
}

/// Turns a page into looks along a list, and what they found into a page.
#[derive(Debug)]
pub(crate) struct PageWindow {
    from: Option<PageCursor>,
    descending: bool,
    limit: usize,
}

impl PageWindow {
    pub(crate) fn new(from: Option<PageCursor>, descending: bool, limit: u32) -> Self {
        Self { from, descending, limit: limit.clamp(1, PAGE_MAX) as usize }
    }

    /// The rows of the page, and one more to know whether there are more.
    pub(crate) fn first(&self) -> Look {
        let behind = self.from.as_ref().map(|place| At { key: place.key.clone(), id: place.id });
        Look {
            descending: self.descending != self.is_backwards(),
            behind,
            many: self.limit + 1,
            passes: LOOKED_AT,
        }
    }

    /// A glance at the first rows whose keys begin with a text, for one that fits.
    pub(crate) fn glance(&self, start: &str) -> Look {
        let first = self.first();
        let behind = if first.descending {
            At { key: format!("{start}\u{10FFFF}"), id: i64::MAX }
        } else {
            At { key: start.to_owned(), id: i64::MIN }
        };
        Look { behind: Some(behind), many: 1, passes: GLANCED_AT, ..first }
    }

    /// Of rows that are known to fit the next one, behind the row at which the look for the page
    /// stopped.
    pub(crate) fn next(&self, known: Vec<At>, stopped: &At, kind: KeyKind) -> Option<At> {
        let descending = self.first().descending;
        let order = |one: &At, other: &At| {
            if descending { other.compare(one, kind) } else { one.compare(other, kind) }
        };
        known.into_iter().filter(|at| order(stopped, at).is_lt()).min_by(order)
    }

    /// The look for the page, from a row on.
    pub(crate) fn from(&self, at: &At) -> Look {
        let first = self.first();
        Look { behind: Some(just_before(at, !first.descending)), ..first }
    }

    /// The way back, when there may be one: whether anything lies on the other side of the page.
    pub(crate) fn back(&self, found: &Found) -> Option<Look> {
        let first = self.first();
        let behind = match found.rows.first() {
            Some(row) => row.clone(),
            None => just_before(first.behind.as_ref()?, first.descending),
        };
        (self.from.is_some() || found.leapt).then_some(Look {
            descending: !first.descending,
            behind: Some(behind),
            many: 1,
            passes: GLANCED_AT,
        })
    }

    /// The page's rows, and the places of the next and the previous one.
    pub(crate) fn page(
        &self,
        found: Found,
        back: Option<Found>,
    ) -> (Vec<At>, Option<PageCursor>, Option<PageCursor>) {
        let first = self.first();
        let Found { mut rows, stopped, .. } = found;
        let near = rows
            .first()
            .cloned()
            .or_else(|| first.behind.as_ref().map(|at| just_before(at, first.descending)));
        let is_full = rows.len() > self.limit;
        rows.truncate(self.limit);
        let far = if is_full { rows.last().cloned() } else { stopped };
        let near = near
            .filter(|_| back.is_some_and(|back| !back.rows.is_empty() || back.stopped.is_some()));
        let place = |at: At, backwards: bool| PageCursor { key: at.key, id: at.id, backwards };
        if self.is_backwards() {
            rows.reverse();
            (rows, near.map(|at| place(at, false)), far.map(|at| place(at, true)))
        } else {
            (rows, far.map(|at| place(at, false)), near.map(|at| place(at, true)))
        }
    }

    fn is_backwards(&self) -> bool {
        self.from.as_ref().is_some_and(|place| place.backwards)
    }
}

/// A place behind which a look in the other direction begins with the row at `at` itself.
fn just_before(at: &At, descending: bool) -> At {
    At {
        key: at.key.clone(),
        id: if descending { at.id.saturating_sub(1) } else { at.id.saturating_add(1) },
    }
}

/// Rows on a page, whatever was asked.
const PAGE_MAX: u32 = 1_000;

/// How many rows are sorted, or counted, at most. Where a filter leaves no more, the count is
/// exact.
pub(crate) const GATHERED: u32 = 4_000;

/// How many rows are looked at for a page, at most: one that few rows fit on may have less than it
/// could, and goes on where the look ended.
const LOOKED_AT: usize = 4_000;

/// Up to how many the rows of a table are counted one by one.
pub(crate) const COUNTED: u64 = 10_000;

/// How many are looked at to tell whether there is a page on the other side: after so many there
/// may be.
const GLANCED_AT: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of these rows, looked at as a store does, but `budget` rows at most.
    fn look(list: &[(&str, i64)], look: &Look, budget: usize) -> Found {
        let mut rows: Vec<At> =
            list.iter().map(|&(key, id)| At { key: key.to_owned(), id }).collect();
        rows.sort_by(|a, b| (&a.key, a.id).cmp(&(&b.key, b.id)));
        if look.descending {
            rows.reverse();
        }
        let is_behind = |at: &At| match &look.behind {
            Some(place) if look.descending => (&at.key, at.id) < (&place.key, place.id),
            Some(place) => (&at.key, at.id) > (&place.key, place.id),
            None => true,
        };
        let rest: Vec<At> = rows.into_iter().filter(is_behind).collect();
        let found: Vec<At> =
            rest.iter().take(budget).filter(|at| at.id % 2 == 0).take(look.many).cloned().collect();
        let stopped =
            (found.len() < look.many && rest.len() > budget).then(|| rest[budget - 1].clone());
        Found { rows: found, stopped, leapt: false }
    }

    fn page(
        list: &[(&str, i64)],
        from: Option<PageCursor>,
        descending: bool,
        budget: usize,
    ) -> (Vec<i64>, Option<PageCursor>, Option<PageCursor>) {
        let window = PageWindow::new(from, descending, 2);
        let found = look(list, &window.first(), budget);
        let back = window.back(&found).map(|back| look(list, &back, budget));
        let (rows, next, previous) = window.page(found, back);
        (rows.into_iter().map(|at| at.id).collect(), next, previous)
    }

    const LIST: &[(&str, i64)] = &[
        ("a", 2),
        ("a", 4),
        ("a", 6),
        ("b", 8),
        ("c", 10),
        ("c", 12),
        ("d", 1),
        ("d", 3),
        ("d", 5),
        ("d", 7),
        ("e", 14),
        ("e", 9),
    ];

    #[test]
    fn there_and_back_each_row_comes_once() {
        let every: Vec<i64> = vec![2, 4, 6, 8, 10, 12, 14];
        for budget in [100, 3] {
            for descending in [false, true] {
                let (mut seen, mut from, mut pages) = (Vec::new(), None, 0);
                let last = loop {
                    let (rows, next, previous) = page(LIST, from.clone(), descending, budget);
                    assert_eq!(previous.is_some(), from.is_some());
                    seen.extend(rows);
                    pages += 1;
                    match next {
                        Some(next) => from = Some(next),
                        None => break previous,
                    }
                };
                let mut expected = every.clone();
                if descending {
                    expected.reverse();
                }
                assert_eq!(seen, expected, "forwards, {pages} pages");
                let (mut seen, mut from) = (page(LIST, from, descending, budget).0, last);
                while let Some(place) = from {
                    let (rows, next, previous) = page(LIST, Some(place), descending, budget);
                    assert!(next.is_some());
                    seen.splice(0..0, rows);
                    from = previous;
                }
                assert_eq!(seen, expected, "backwards");
            }
        }
    }

    #[test]
    fn a_place_whose_row_is_gone_is_still_a_place() {
        let gone = |backwards| Some(PageCursor { key: "bb".to_owned(), id: 1, backwards });
        assert_eq!(page(LIST, gone(false), false, 100).0, [10, 12]);
        assert_eq!(page(LIST, gone(true), false, 100).0, [6, 8]);
        let (rows, next, previous) = page(
            LIST,
            Some(PageCursor { key: "z".to_owned(), id: i64::MAX, backwards: false }),
            false,
            100,
        );
        assert!(rows.is_empty() && next.is_none() && previous.is_some());
        let (rows, next, previous) = page(
            &[],
            Some(PageCursor { key: String::new(), id: i64::MIN, backwards: true }),
            true,
            100,
        );
        assert!(rows.is_empty() && next.is_none() && previous.is_none());
    }
}
