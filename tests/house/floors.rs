//! The tables of rooms in `ARCHITECTURE.md`.

use std::collections::BTreeMap;
use std::fs;

/// The rooms of a crate, each with its floor. A room is a folder (`flow/`) or a file
/// (`admin/rules.rs`); what is named more closely counts.
pub(crate) struct Floors(BTreeMap<String, u32>);

impl Floors {
    /// Every table under a heading ``## Rooms of `NAME` ``, with the crate's name.
    pub(crate) fn read_all() -> Vec<(String, Self)> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md");
        let text = fs::read_to_string(path).expect("ARCHITECTURE.md can be read");
        text.split("\n## Rooms of `")
            .skip(1)
            .map(|part| {
                let (name, rest) = part.split_once('`').expect("a name in backticks");
                let section = rest.split("\n## ").next().unwrap_or(rest);
                (name.to_owned(), Self::parse(section))
            })
            .collect()
    }

    fn parse(section: &str) -> Self {
        let mut rooms = BTreeMap::new();
        for row in section.lines().filter_map(|line| line.strip_prefix("| ")) {
            let mut cells = row.split(" | ");
            let Some(floor) = cells.next().and_then(|cell| cell.trim().parse().ok()) else {
                continue;
            };
            for room in cells.next().unwrap_or_default().split('`').skip(1).step_by(2) {
                assert!(rooms.insert(room.to_owned(), floor).is_none(), "{room} stands twice");
            }
        }
        Self(rooms)
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The room of a file, `flow/login.rs`.
    pub(crate) fn room(&self, path: &str) -> Option<&str> {
        self.rooms()
            .filter(|room| path == *room || (room.ends_with('/') && path.starts_with(room)))
            .max_by_key(|room| room.len())
    }

    pub(crate) fn floor(&self, room: &str) -> Option<u32> {
        self.0.get(room).copied()
    }
}

#[test]
fn the_closest_name_of_a_room_counts() {
    let floors = Floors::parse(
        "| floor | room | is for |\n|---|---|---|\n\
         | 1 | `user/mine.rs` | a |\n| 0 | `user/`, `clock.rs` | b |",
    );
    assert_eq!(floors.room("user/mine.rs"), Some("user/mine.rs"));
    assert_eq!(floors.room("user/mod.rs"), Some("user/"));
    assert_eq!((floors.floor("user/"), floors.room("other.rs")), (Some(0), None));
}
