//! The errors in the sources of the libraries: a new reason breaks nobody who matches on them.

use std::fs;
use std::path::Path;

/// The public errors that could not get one more variant or field, with where they are.
pub(crate) fn closed(crates: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut left: Vec<_> = crates.iter().map(|name| root.join(name).join("src")).collect();
    let (mut found, mut errors) = (Vec::new(), 0);
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        errors += text.matches("thiserror::Error").count();
        let place = path.strip_prefix(&root).unwrap().display().to_string();
        found.extend(closed_in(&text).into_iter().map(|name| format!("{place}: {name}")));
    }
    assert!(errors > 20, "hardly an error was found: {errors}");
    found
}

/// The same in one source file: enums and structs with public fields that derive `Error` and lack
/// `#[non_exhaustive]`. An error without fields, or with private ones, is left alone.
pub(crate) fn closed_in(text: &str) -> Vec<String> {
    let (mut names, mut about, mut open) = (Vec::new(), String::new(), None);
    for line in text.lines() {
        let code = line.trim();
        if let Some(name) = code.strip_prefix("pub enum ").or(code.strip_prefix("pub struct ")) {
            let is_error = about.contains("Error") && !about.contains("non_exhaustive");
            let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            if is_error && code.starts_with("pub enum ") {
                names.push(name.to_owned());
            } else if is_error && code.ends_with('{') {
                open = Some(name.to_owned());
            }
            about.clear();
        } else if code.starts_with("//") {
            // Examples have errors too.
        } else if code == "}" {
            // What stood in it is about nothing that follows.
            open = None;
            about.clear();
        } else if code.starts_with("pub ") {
            names.extend(open.take());
        } else if code.starts_with("#[") || code.starts_with("thiserror") || code.ends_with(',') {
            about.push_str(code);
        } else if !code.starts_with(")]") {
            about.clear();
        }
    }
    names
}
