//! A choice of several: boxes to tick, those that are ticked first in reach, the rest by searching
//! when there are many.

use askama::Template;

/// Boxes to tick: in a template `{{ picker|safe }}`.
#[derive(Debug, Template)]
#[template(path = "admin/picker.html")]
pub(crate) struct Picker {
    pub(crate) name: &'static str,
    pub(crate) legend: &'static str,
    /// What to say when there is nothing to tick.
    pub(crate) empty: &'static str,
    pub(crate) items: Vec<Pick>,
    /// How many more there are than are shown.
    pub(crate) more: usize,
}

/// One box.
#[derive(Debug)]
pub(crate) struct Pick {
    pub(crate) id: i64,
    pub(crate) text: String,
    pub(crate) note: String,
    pub(crate) ticked: bool,
    /// Whether it may not be ticked.
    pub(crate) locked: bool,
}

impl Picker {
    /// All boxes that are ticked, and of the rest those that contain `find`, as many as a page
    /// shows.
    pub(crate) fn new(
        name: &'static str,
        legend: &'static str,
        empty: &'static str,
        all: Vec<Pick>,
        find: &str,
    ) -> Self {
        let find = find.trim().to_lowercase();
        let total = all.len();
        let mut left = SHOWN.saturating_sub(all.iter().filter(|pick| pick.ticked).count());
        let is_shown = |pick: &Pick| {
            if pick.ticked {
                return true;
            }
            let is_meant = left > 0
                && (find.is_empty()
                    || pick.text.to_lowercase().contains(&find)
                    || pick.note.to_lowercase().contains(&find));
            left -= usize::from(is_meant);
            is_meant
        };
        let items: Vec<Pick> = all
            .into_iter()
            .filter({
                let mut is_shown = is_shown;
                move |pick| is_shown(pick)
            })
            .collect();
        Self { name, legend, empty, more: total - items.len(), items }
    }
}

/// Boxes on a page, beyond those that are ticked.
const SHOWN: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ticked_is_always_shown_and_the_rest_as_far_as_there_is_room() {
        let all = |n: i64| {
            (0..n)
                .map(|id| Pick {
                    id,
                    text: format!("app.p{id}"),
                    note: String::new(),
                    ticked: id == 999,
                    locked: false,
                })
                .collect()
        };
        let picker = Picker::new("permissions", "", "", all(1_000), "");
        assert_eq!((picker.items.len(), picker.more), (SHOWN, 1_000 - SHOWN));
        assert_eq!(picker.items.last().map(|pick| pick.id), Some(999));
        let picker = Picker::new("permissions", "", "", all(1_000), "P12");
        assert_eq!(picker.items.len(), 12, "12, 120 to 129, and 999");
    }
}
