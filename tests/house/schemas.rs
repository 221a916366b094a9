//! The names of the schemas in the sources: a document knows a schema by its name, and of two with
//! one name utoipa keeps one, without a word.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Names that stand twice among the schemas of these folders and files, with where.
pub(crate) fn twice(places: &[&str], but: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut found = BTreeMap::<String, Vec<String>>::new();
    let mut left: Vec<_> = places.iter().map(|place| root.join(place)).collect();
    while let Some(path) = left.pop() {
        if but.iter().any(|but| path == root.join(but)) {
            continue;
        }
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for name in schemas(&text) {
            let place = path.strip_prefix(&root).unwrap().display().to_string();
            found.entry(name).or_default().push(place);
        }
    }
    assert!(found.len() > 10, "hardly a schema was found: {:?}", found.keys());
    let twice = found.into_iter().filter(|(_, places)| places.len() > 1);
    twice.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect()
}

/// The names of the schemas that a source file has: types that derive `ToSchema`, or are made by
/// `request!`, under the name that `#[schema(as = …)]` gives them.
pub(crate) fn schemas(text: &str) -> Vec<String> {
    let (mut names, mut is_schema, mut other_name) = (Vec::new(), false, None);
    let mut depth_of_request = None;
    let mut depth = 0_usize;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        if line.starts_with("request! {") {
            depth_of_request = Some(depth);
        }
        depth = (depth + line.matches('{').count()).saturating_sub(line.matches('}').count());
        if depth_of_request.is_some_and(|at| depth <= at) {
            depth_of_request = None;
        }
        // A derive may go over several lines.
        let is_code = !line.contains("use ") && !line.contains("ToSchema for");
        is_schema |= is_code && line.contains("ToSchema") && !line.contains("dyn ");
        if let Some((_, name)) = line.split_once("schema(as = ") {
            let name: String = name.chars().take_while(|c| !")],".contains(*c)).collect();
            other_name = name.rsplit("::").next().map(str::to_owned);
        }
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if words.any(|word| word == "struct" || word == "enum") {
            let in_request = depth_of_request.is_some();
            if let Some(name) = words.next().filter(|_| is_schema || in_request) {
                names.push(other_name.take().unwrap_or_else(|| name.to_owned()));
            }
            (is_schema, other_name) = (false, None);
        }
    }
    names
}
