//! What the page shows.

use std::fmt;

use askama::Template;
use serde_json::Value;

use super::super::AccountPages;
use super::super::language::Language;
use super::Desk;
use crate::passkey_script;

/// The page.
#[derive(Template, Default)]
#[template(path = "account/security.html")]
pub(super) struct Page<'a> {
    pub(super) site: &'a str,
    pub(super) home: &'a str,
    pub(super) language: Language,
    pub(super) script: &'static str,
    /// Which of its states: `sign-in`, `factor`, `step-up`, `account`, `totp` or `codes`.
    pub(super) state: &'static str,
    /// What was done just now.
    pub(super) done: &'a str,
    /// What was wrong.
    pub(super) problem: &'a str,
    pub(super) user: &'a str,
    pub(super) must_enrol: bool,
    pub(super) factors: Vec<Factor>,
    pub(super) codes_left: u64,
    pub(super) sessions: Vec<Live>,
    /// What a login goes on with, and what may be proved: words with blanks between.
    pub(super) token: &'a str,
    pub(super) kinds: &'a str,
    pub(super) secret: &'a str,
    pub(super) uri: &'a str,
    pub(super) qr: &'a str,
    pub(super) codes: &'a [String],
}

impl<'a> Page<'a> {
    pub(super) fn new(desk: &'a Desk, language: Language, state: &'static str) -> Self {
        let AccountPages { site, home, .. } = &desk.pages;
        Self { site, home, language, script: passkey_script::SCRIPT, state, ..Self::default() }
    }

    fn say<'t>(&self, text: &'t str) -> &'t str {
        self.language.say(text)
    }

    fn fill(&self, text: &str, value: impl fmt::Display) -> String {
        fill(self.language, text, value)
    }

    /// The recovery codes as the text of a file, for an address: letters, digits and hyphens stand
    /// there as they are.
    fn file(&self) -> String {
        self.codes.iter().map(|code| format!("{code}%0A")).collect()
    }

    fn may(&self, kind: &str) -> bool {
        self.kinds.split(' ').any(|known| known == kind)
    }
}

pub(super) struct Factor {
    id: String,
    name: String,
    what: &'static str,
    said: String,
}

impl Factor {
    pub(super) fn of(json: &Value, language: Language) -> Self {
        let text = |name: &str| json[name].as_str().unwrap_or_default();
        let is_passkey = json["kind"] == "passkey";
        let used = match json["last_used_at"].as_str() {
            Some(at) => fill(language, "last used on {}", day(at)),
            None => language.say("never used").to_owned(),
        };
        let copy = match json["is_backed_up"].as_bool() {
            Some(true) => Some("its provider has a copy"),
            Some(false) => Some("on one device alone"),
            None => None,
        };
        let since = fill(language, "since {}", day(text("created_at")));
        let parts = [since, used].into_iter().chain(copy.map(|said| language.say(said).to_owned()));
        Self {
            id: text("id").to_owned(),
            name: text("name").to_owned(),
            what: language.say(if is_passkey { "Passkey" } else { "Authenticator app" }),
            said: parts.collect::<Vec<_>>().join(", "),
        }
    }
}

pub(super) struct Live {
    id: String,
    what: String,
    said: String,
    is_current: bool,
}

impl Live {
    pub(super) fn of(json: &Value, language: Language) -> Self {
        let text = |name: &str| json[name].as_str().unwrap_or_default();
        let name = Some(text("device_name")).filter(|name| !name.is_empty());
        let bound = (json["device_bound"] == true).then(|| language.say("bound to its device"));
        Self {
            id: text("id").to_owned(),
            what: name.unwrap_or(text("device")).to_owned(),
            said: format!(
                "{}, {}{}",
                fill(language, "since {}", day(text("created_at"))),
                fill(language, "last used on {}", day(text("last_used_at"))),
                bound.map(|said| format!(", {said}")).unwrap_or_default()
            ),
            is_current: json["current"] == true,
        }
    }
}

/// The day of a time in RFC 3339.
fn day(at: &str) -> &str {
    at.split('T').next().unwrap_or_default()
}

/// A sentence with something in it.
fn fill(language: Language, text: &str, value: impl fmt::Display) -> String {
    language.say(text).replace("{}", &value.to_string())
}
