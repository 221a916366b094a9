//! The configuration, as the binary reads it. The room has no library, so its files are built in
//! here as they are.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::config::{Config, SETTINGS, Setting};

/// A file, then variables as `NAME=text` and flags as `--name=text`, a NUL between two of them.
/// Whatever is wrong with them is said in words, and those never hold the secret.
pub fn configuration(data: &[u8]) {
    let mut parts = data.split(|&byte| byte == 0);
    let file = parts.next().unwrap_or_default();
    let (flags, variables): (Vec<_>, Vec<_>) = parts.partition(|part| part.starts_with(b"--"));
    let variables = variables.into_iter().filter_map(|variable| {
        let at = variable.iter().position(|&byte| byte == b'=')?;
        let [name, text] = [&variable[..at], &variable[at + 1..]].map(<[u8]>::to_vec);
        Some((OsString::from_vec(name), OsString::from_vec(text)))
    });
    let flags = flags.into_iter().filter_map(flag);
    std::fs::write(path(), file).expect("a file");
    let loaded = Config::load(Some(path()), variables, flags);
    let words = match &loaded {
        Ok(config) => said(config),
        Err(error) => vec![error.to_string()],
    };
    assert!(words.iter().all(|words| !words.is_empty()), "{words:?}");
    if holds_the_secret(data) {
        assert!(words.iter().all(|words| !words.contains(SECRET)), "{words:?}");
    }
}

/// What the commands would tell of it.
fn said(config: &Config) -> Vec<String> {
    let mut words = Vec::new();
    for (setting, value) in config.values() {
        words.extend(value.texts.iter().map(|text| format!("={}", setting.shown(text))));
    }
    match config.serve() {
        // What is good enough to serve is good enough to be shown.
        Ok(serve) => {
            words.push(format!("{serve:?}"));
            let derived = config.derived().expect("what serve takes");
            words.extend(derived.into_iter().map(|derived| derived.value));
        }
        Err(error) => words.push(error.to_string()),
    }
    words
}

/// Whether the secret is there as the secret's value, and not in a text of several lines.
fn holds_the_secret(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let written = format!("\nsecret = \"{SECRET}");
    text.matches(SECRET).count() == 1
        && (text.contains(&written) || text.starts_with(&written[1..]))
        && ["'''", "\"\"\""].iter().all(|quotes| !text.contains(quotes))
}

fn flag(part: &[u8]) -> Option<(&'static Setting, Vec<String>)> {
    let (name, text) = std::str::from_utf8(part).ok()?.strip_prefix("--")?.split_once('=')?;
    let setting = SETTINGS.iter().find(|setting| !setting.secret && setting.flag() == name)?;
    Some((setting, vec![text.to_owned()]))
}

/// Where the file is, for as long as the process lives.
fn path() -> &'static PathBuf {
    static PLACE: OnceLock<(PathBuf, tempfile::TempDir)> = OnceLock::new();
    let (path, _) = PLACE.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        (directory.path().join("countersign.toml"), directory)
    });
    path
}

const SECRET: &str = "of nobody's knowledge";
