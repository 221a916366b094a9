//! The house keeps its floors: what the sources import, held against the tables of
//! `ARCHITECTURE.md`.

mod errors;
mod floors;
mod schemas;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use floors::Floors;
use source::{Crate, Source};

#[test]
fn every_file_has_a_room_and_every_room_is_there() {
    let mut wrong = Vec::new();
    for (house, floors) in houses() {
        for file in house.files.iter().filter(|file| !file.is_root()) {
            if floors.room(&file.path).is_none() {
                wrong.push(format!("{}: {} stands in no room", house.name, file.path));
            }
        }
        for room in floors.rooms() {
            if !house.files.iter().any(|file| floors.room(&file.path) == Some(room)) {
                wrong.push(format!("{}: the room {room} is empty", house.name));
            }
        }
    }
    assert_none(&wrong, "ARCHITECTURE.md does not tell the rooms as they are");
}

#[test]
fn no_import_runs_up() {
    let mut wrong = Vec::new();
    for (house, floors) in houses() {
        for (file, line, target) in house.imports() {
            let (from, to) = (floors.room(&file.path), floors.room(&target.path));
            if let (Some(from), Some(to)) = (from, to)
                && floors.floor(from) < floors.floor(to)
            {
                wrong.push(format!(
                    "{}/{}:{line} ({from}) imports {} ({to})",
                    house.name, file.path, target.path
                ));
            }
        }
    }
    assert_none(&wrong, "a lower floor does not import a higher one");
}

#[test]
fn no_rooms_import_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    for (house, floors) in houses() {
        let mut graph = BTreeMap::<&str, BTreeSet<&str>>::new();
        for (file, _, target) in house.imports() {
            if let (Some(from), Some(to)) = (floors.room(&file.path), floors.room(&target.path))
                && from != to
            {
                graph.entry(from).or_default().insert(to);
            }
        }
        wrong.extend(circles(&graph).into_iter().map(|circle| format!("{}: {circle}", house.name)));
    }
    assert_none(&wrong, "rooms that import each other are one room, or one of them has two jobs");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    for (house, _) in houses() {
        let mut graph = BTreeMap::<&str, BTreeSet<&str>>::new();
        for (file, _, target) in house.imports() {
            // A module names its own children; that they use what it holds is no circle.
            if file.path != target.path && !file.is_parent_of(target) {
                graph.entry(&file.path).or_default().insert(&target.path);
            }
        }
        wrong.extend(circles(&graph).into_iter().map(|circle| format!("{}: {circle}", house.name)));
    }
    assert_none(&wrong, "files that import each other cannot be read one after the other");
}

#[test]
fn no_flow_imports_another() {
    let house = Crate::read("countersign");
    let is_feature = |file: &Source| {
        file.path.starts_with("flow/") && !FLOW_TABLES.contains(&file.path.as_str())
    };
    let wrong: Vec<String> = house
        .imports()
        .filter(|(file, _, target)| {
            is_feature(file) && target.path.starts_with("flow/") && file.path != target.path
        })
        .map(|(file, line, target)| format!("{}:{line} imports {}", file.path, target.path))
        .collect();
    assert_none(&wrong, "what two flows share sinks into http/ or auth/");
}

#[test]
fn http_alone_names_status_codes_and_header_names() {
    let house = Crate::read("countersign");
    let mut wrong = Vec::new();
    for file in house.files.iter().filter(|file| !file.path.starts_with("http/")) {
        // What web/ reads, it reads by its name.
        let reads_headers = file.path.starts_with("web/");
        for (line, path) in &file.paths {
            let says = |word: &str| path.iter().any(|part| part == word);
            let is_wrong = says("StatusCode")
                || (!reads_headers
                    && !says("lettre")
                    && (says("HeaderName") || names_a_header(path)));
            if is_wrong {
                wrong.push(format!("{}:{line} says {}", file.path, path.join("::")));
            }
        }
        for (line, text) in file.texts.iter().filter(|_| !reads_headers) {
            if text.starts_with("x-") || HEADERS.contains(&text.to_ascii_lowercase().as_str()) {
                wrong.push(format!("{}:{line} names the header {text}", file.path));
            }
        }
    }
    assert_none(&wrong, "a flow says what it answers, and http/ how that looks");
}

#[test]
fn no_flow_makes_a_response_by_hand() {
    let house = Crate::read("countersign");
    let wrong: Vec<String> = house
        .files
        .iter()
        .filter(|file| file.path.starts_with("flow/"))
        .flat_map(|file| file.words.iter().map(move |(line, word)| (file, line, word)))
        .filter(|(_, _, word)| *word == "into_response")
        .map(|(file, line, _)| format!("{}:{line} calls into_response", file.path))
        .collect();
    assert_none(&wrong, "a handler returns Result<impl IntoResponse, Problem>");
}

#[test]
fn every_public_error_may_get_one_more_reason() {
    let wrong = errors::closed(&["countersign", "countersign-verify"]);
    assert_none(&wrong, "an error is #[non_exhaustive] (docs/decisions/0101)");
}

#[test]
fn no_document_has_two_schemas_of_one_name() {
    let rule = "utoipa keeps one of them, and a client is made of the wrong one";
    assert_none(&schemas::twice(&["countersign-server/src/manage"], &[]), rule);
    let public = ["countersign/src", "countersign-verify/src", "countersign-server/src"];
    assert_none(&schemas::twice(&public, &["countersign-server/src/manage"]), rule);
}

/// Whether a path is `header::CACHE_CONTROL` or leads there; a JWT has a header too.
fn names_a_header(path: &[String]) -> bool {
    path.windows(2).any(|parts| match [parts[0].as_str(), parts[1].as_str()] {
        ["http", "header"] => true,
        ["header", constant] => constant.chars().all(|c| c.is_ascii_uppercase() || c == '_'),
        _ => false,
    })
}

/// The crates whose rooms `ARCHITECTURE.md` tells.
fn houses() -> Vec<(Crate, Floors)> {
    let houses: Vec<_> =
        Floors::read_all().into_iter().map(|(name, floors)| (Crate::read(&name), floors)).collect();
    assert!(houses.iter().any(|(house, _)| house.name == "countersign"), "its table is missing");
    houses
}

/// The circles of a graph, each with all that takes part in it.
fn circles(graph: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let reach = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = graph.get(from).into_iter().flatten().copied().collect();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(graph.get(next).into_iter().flatten());
            }
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|from| (*from, reach(from))).collect();
    let found: BTreeSet<Vec<&str>> = reached
        .iter()
        .filter(|(from, to)| to.contains(*from))
        .map(|(from, to)| {
            let back = |other: &&&str| reached.get(**other).is_some_and(|to| to.contains(from));
            to.iter().filter(back).copied().collect()
        })
        .collect();
    found.into_iter().map(|circle| circle.join(" - ")).collect()
}

fn assert_none(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

/// Files of `flow/` that list the features.
const FLOW_TABLES: &[&str] = &["flow/mod.rs", "flow/openapi.rs"];

/// Names that are headers wherever they stand by themselves.
const HEADERS: &[&str] = &[
    "access-control-allow-origin",
    "authorization",
    "cache-control",
    "content-type",
    "etag",
    "expect",
    "if-none-match",
    "origin",
    "retry-after",
    "sec-fetch-site",
    "set-cookie",
    "user-agent",
    "vary",
    "www-authenticate",
];

#[test]
fn a_circle_is_found_and_a_line_is_none() {
    let graph = |edges: &[(&'static str, &'static str)]| {
        let mut graph = BTreeMap::<&str, BTreeSet<&str>>::new();
        for (from, to) in edges {
            graph.entry(from).or_default().insert(to);
        }
        circles(&graph)
    };
    assert!(graph(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
    assert_eq!(graph(&[("a", "b"), ("b", "c"), ("c", "b")]), ["b - c"]);
}

#[test]
fn an_error_is_closed_if_it_has_something_public_and_no_attribute() {
    let text = "
        /// Closed.
        #[derive(Debug, thiserror::Error)]
        pub enum One {
            #[error(\"a\")]
            A,
        }
        #[derive(Debug, thiserror::Error)]
        #[non_exhaustive]
        pub enum Open { A }
        #[derive(
            Debug,
            thiserror::Error,
        )]
        #[error(\"{reason}\")]
        pub struct Two {
            /// Why.
            pub reason: String,
        }
        #[derive(Debug, thiserror::Error)]
        pub struct Opaque {
            reason: String,
        }
        #[derive(Debug, Clone)]
        pub enum NoError { A }
        #[derive(Debug, thiserror::Error)]
        pub struct Bare;
        enum Holds {
            One(StoreError),
        }
        pub enum NoError2 {
            A,
        }
        /// Err(StoreError::UsernameTaken) => Ok(false),
        pub enum NoError3 {
            A,
        }
        pub struct NoError4 { pub a: u8 }";
    assert_eq!(errors::closed_in(text), ["One", "Two"]);
}

#[test]
fn a_schema_is_found_by_the_name_that_it_has_in_the_document() {
    let text = "
        #[derive(Debug, Serialize, ToSchema)]
        pub(super) struct One { a: u8 }
        #[derive(
            Clone,
            utoipa::ToSchema,
        )]
        #[schema(as = other::Two)]
        enum Inner { A }
        #[derive(Clone)]
        struct NoSchema;
        request! {
            /// What is sent.
            pub(crate) struct Three { b: Text }
        }
        struct NoSchemaEither { c: u8 }";
    assert_eq!(schemas::schemas(text), ["One", "Two", "Three"]);
}
