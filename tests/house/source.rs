//! What a crate's sources say, as tokens: their imports, the words and texts in them. Comments,
//! attributes and unit tests are not looked at.

use std::collections::HashMap;
use std::fs;
use std::iter::Peekable;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree, token_stream};

/// The sources of a crate.
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) files: Vec<Source>,
    modules: HashMap<Vec<String>, usize>,
}

/// A file.
#[derive(Default)]
pub(crate) struct Source {
    /// Its path below `src/`.
    pub(crate) path: String,
    /// Every word, with its line.
    pub(crate) words: Vec<(usize, String)>,
    /// Every text, with its line.
    pub(crate) texts: Vec<(usize, String)>,
    /// Every path, with its line.
    pub(crate) paths: Vec<(usize, Vec<String>)>,
    module: Vec<String>,
    /// What the file gives on under its own name: the name, and where it comes from.
    given_on: HashMap<String, Vec<String>>,
}

impl Crate {
    pub(crate) fn read(name: &str) -> Self {
        let root = format!("{}/../crates/{name}/src", env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        collect(Path::new(&root), "", &mut files);
        assert!(!files.is_empty(), "{root} holds no sources");
        let modules =
            files.iter().enumerate().map(|(place, file)| (file.module.clone(), place)).collect();
        Self { name: name.to_owned(), files, modules }
    }

    /// Every import: the file, the line, and the file that is imported.
    pub(crate) fn imports(&self) -> impl Iterator<Item = (&Source, usize, &Source)> {
        self.files.iter().filter(|file| !file.is_root()).flat_map(move |file| {
            file.paths.iter().filter_map(move |(line, path)| {
                let path = self.absolute(file, path)?;
                Some((file, *line, self.home_of(&path, 0)?))
            })
        })
    }

    /// A path from the root of the crate; `None` for what is another crate's, or a local name.
    fn absolute(&self, file: &Source, path: &[String]) -> Option<Vec<String>> {
        // `pub(super)`
        if path.iter().all(|part| ["crate", "self", "super"].contains(&part.as_str())) {
            return None;
        }
        let supers = path.iter().take_while(|part| *part == "super").count();
        let (base, rest) = match path.first()?.as_str() {
            "crate" => (&[][..], &path[1..]),
            "self" => (&file.module[..], &path[1..]),
            "super" => (&file.module[..file.module.len().checked_sub(supers)?], &path[supers..]),
            // `mod child;`, or a local name.
            _ if path.len() == 1 => return None,
            child => {
                let mut module = file.module.clone();
                module.push(child.to_owned());
                self.modules.get(&module)?;
                (&file.module[..], path)
            }
        };
        Some([base, rest].concat())
    }

    /// The file in which the thing at this path is made, through whatever gives it on.
    fn home_of(&self, path: &[String], depth: usize) -> Option<&Source> {
        assert!(depth < 16, "{path:?} is given on in a circle");
        let mut known = 0;
        while known < path.len() && self.modules.contains_key(&path[..=known]) {
            known += 1;
        }
        let file = &self.files[*self.modules.get(&path[..known])?];
        match path.get(known).and_then(|name| file.given_on.get(name)) {
            Some(target) => match self.absolute(file, target) {
                Some(target) => {
                    self.home_of(&[&target[..], &path[known + 1..]].concat(), depth + 1)
                }
                // Another crate's.
                None => None,
            },
            None => Some(file),
        }
    }
}

impl Source {
    /// Whether it is the crate's own root, which names what is below it.
    pub(crate) fn is_root(&self) -> bool {
        self.module.is_empty()
    }

    pub(crate) fn is_parent_of(&self, other: &Self) -> bool {
        other.module.starts_with(&self.module)
    }

    fn parse(path: String, text: &str) -> Self {
        let stem = path.strip_suffix(".rs").unwrap_or(&path);
        let mut module: Vec<String> = stem.split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|name| ["mod", "lib", "main"].contains(&name.as_str())) {
            module.pop();
        }
        let tokens = text.parse::<TokenStream>().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut source = Self { path, module, ..Self::default() };
        source.take(tokens, &[]);
        source
    }

    /// Reads tokens. Paths in them continue `prefix`: what stands before the braces of a `use`.
    fn take(&mut self, tokens: TokenStream, prefix: &[String]) {
        let mut tokens = tokens.into_iter().peekable();
        let (mut is_public, mut gives_on) = (false, false);
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    let _ = tokens.next_if(|next| is_punct(next, '!'));
                    if let Some(TokenTree::Group(group)) = tokens.next()
                        && is_of_a_test(&group.stream().to_string())
                    {
                        skip_item(&mut tokens);
                    }
                }
                TokenTree::Punct(punct) => {
                    if punct.as_char() == ';' {
                        (is_public, gives_on) = (false, false);
                    }
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if let Some(text) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
                        self.texts.push((literal.span().start().line, text.to_owned()));
                    }
                }
                TokenTree::Group(group) => {
                    // `pub(crate)` is public enough to be given on.
                    let is_visibility = is_public && group.delimiter() == Delimiter::Parenthesis;
                    self.take(group.stream(), &[]);
                    is_public &= is_visibility;
                }
                TokenTree::Ident(ident) => match ident.to_string().as_str() {
                    "pub" => is_public = true,
                    "use" => gives_on = is_public,
                    word => {
                        let line = ident.span().start().line;
                        self.path(line, word, prefix, gives_on, &mut tokens);
                        is_public = false;
                    }
                },
            }
        }
    }

    /// Reads the rest of a path that begins with a word.
    fn path(
        &mut self,
        line: usize,
        word: &str,
        prefix: &[String],
        gives_on: bool,
        tokens: &mut Peekable<token_stream::IntoIter>,
    ) {
        let mut path = prefix.to_vec();
        path.push(word.to_owned());
        self.words.push((line, word.to_owned()));
        while tokens.next_if(|next| is_punct(next, ':')).is_some() {
            if tokens.next_if(|next| is_punct(next, ':')).is_none() {
                break;
            }
            match tokens.peek() {
                Some(TokenTree::Ident(next)) => {
                    let next = next.to_string();
                    self.words.push((line, next.clone()));
                    path.push(next);
                    tokens.next();
                }
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    let group = group.stream();
                    tokens.next();
                    self.branches(group, &path, gives_on);
                    return;
                }
                _ => break,
            }
        }
        if !gives_on {
            self.paths.push((line, path));
            return;
        }
        // A module gives on what its children make; what it takes from elsewhere, it imports.
        if ["crate", "super"].contains(&path[0].as_str()) {
            self.paths.push((line, path.clone()));
        }
        let is_renamed =
            tokens.next_if(|next| matches!(next, TokenTree::Ident(word) if word == "as")).is_some();
        let name = match if is_renamed { tokens.next() } else { None } {
            Some(TokenTree::Ident(name)) => name.to_string(),
            _ => path.last().cloned().unwrap_or_default(),
        };
        self.given_on.insert(name, path);
    }

    /// Reads what stands between the braces of a `use`.
    fn branches(&mut self, tokens: TokenStream, prefix: &[String], gives_on: bool) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            if let TokenTree::Ident(word) = token {
                let line = word.span().start().line;
                if word == "self" {
                    self.paths.push((line, prefix.to_vec()));
                } else {
                    self.path(line, &word.to_string(), prefix, gives_on, &mut tokens);
                }
            }
        }
    }
}

fn collect(folder: &Path, below: &str, files: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    for entry in entries {
        let entry = entry.expect("an entry of a folder");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{below}{name}/"), files);
        } else if name.ends_with(".rs") && !is_of_tests(&name) {
            let text = fs::read_to_string(entry.path()).expect("a source can be read");
            files.push(Source::parse(format!("{below}{name}"), &text));
        }
    }
}

/// Whether a file holds the unit tests of the one beside it.
fn is_of_tests(name: &str) -> bool {
    name == "tests.rs" || name.ends_with("_tests.rs")
}

fn is_of_a_test(attribute: &str) -> bool {
    let attribute = attribute.replace(' ', "");
    attribute.starts_with("cfg(test") || attribute.starts_with("cfg(all(test")
}

fn is_punct(token: &TokenTree, punct: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == punct)
}

/// Leaves out the item that follows an attribute.
fn skip_item(tokens: &mut Peekable<token_stream::IntoIter>) {
    for token in tokens.by_ref() {
        let is_body =
            matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        if is_body || is_punct(&token, ';') {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let source = Source::parse("a/b.rs".to_owned(), text);
        source.paths.into_iter().map(|(_, path)| path.join("::")).collect()
    }

    #[test]
    fn imports_are_read_wherever_they_stand() {
        assert_eq!(
            paths("use crate::{store::{self, Store}, clock::Clock};"),
            ["crate::store", "crate::store::Store", "crate::clock::Clock"]
        );
        assert!(
            paths("fn f() { g(crate::auth::Auth::new()) }")
                .contains(&"crate::auth::Auth::new".to_owned())
        );
        assert!(paths("fn f() { debug!(x = super::c::X) }").contains(&"super::c::X".to_owned()));
    }

    #[test]
    fn attributes_comments_and_unit_tests_are_no_imports() {
        let text = "/// [`x`](crate::up)\n#[with(crate::up)] struct S;\n\
                    #[cfg(test)] mod t { use crate::up; }";
        assert!(paths(text).iter().all(|path| !path.contains("up")));
    }

    #[test]
    fn what_is_given_on_is_found_where_it_is_made() {
        let file = |path: &str, text| Source::parse(path.to_owned(), text);
        let files = vec![
            file("lib.rs", "mod a; pub use a::Thing as Other;"),
            file("a/mod.rs", "mod b; pub(crate) use b::{Thing, More};"),
            file("a/b.rs", "pub struct Thing; pub struct More;"),
            file("c.rs", "use crate::Other; use crate::a::More; use std::fmt;"),
        ];
        let modules =
            files.iter().enumerate().map(|(place, file)| (file.module.clone(), place)).collect();
        let house = Crate { name: String::new(), files, modules };
        let found: Vec<&str> = house
            .imports()
            .filter(|(file, _, _)| file.path == "c.rs")
            .map(|(_, _, target)| target.path.as_str())
            .collect();
        assert_eq!(found, ["a/b.rs", "a/b.rs"]);
    }
}
