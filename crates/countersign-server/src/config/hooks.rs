//! Web hooks: `[[hook]]` in the file.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::store::admin::HOOK_EVENTS;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::{Config, ConfigError};

/// A web hook.
#[derive(Clone)]
pub(crate) struct Hook {
    /// Its name, for the command line and the store.
    pub(crate) name: String,
    /// Where it listens. What stands in its path may be a secret: see [`Hook::place`].
    pub(crate) url: Url,
    /// The events that it wants.
    pub(crate) events: Vec<&'static str>,
    /// What its messages are signed with: one key, or several while it gets a new one.
    pub(crate) keys: Vec<hmac::Key>,
    /// Whether it may be on this machine or in a private network.
    pub(crate) private: bool,
}

impl Hook {
    /// Where it listens, without what may be a secret.
    pub(crate) fn place(&self) -> String {
        let path = if self.url.path() == "/" && self.url.query().is_none() { "" } else { "/…" };
        format!("{}{path}", self.url.origin().ascii_serialization())
    }
}

/// Without the keys, and without the rest of the URL.
impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook")
            .field("name", &self.name)
            .field("place", &self.place())
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

/// A hook as it is written.
#[derive(Clone, Default)]
pub(super) struct WrittenHook {
    name: Option<String>,
    url: String,
    events: Vec<String>,
    secrets: Vec<SecretString>,
    private: bool,
}

/// A URL may have a secret in it.
impl std::fmt::Debug for WrittenHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WrittenHook").field("name", &self.name).finish_non_exhaustive()
    }
}

impl WrittenHook {
    /// Whether its secret is written with it.
    pub(super) fn has_secret(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// Every `[[hook]]` of a file. A value is never told, since it may be the secret.
    pub(super) fn read_all(value: &toml::Value) -> Result<Vec<Self>, String> {
        let tables = value.as_array().and_then(|entries| {
            entries.iter().map(toml::Value::as_table).collect::<Option<Vec<_>>>()
        });
        let tables = tables.ok_or("write each web hook as a table, [[hook]]")?;
        if tables.len() > MOST_HOOKS {
            return Err(format!("there are more than {MOST_HOOKS} web hooks"));
        }
        tables.into_iter().map(Self::read).collect()
    }

    fn read(table: &toml::Table) -> Result<Self, String> {
        let mut hook = Self::default();
        for (key, value) in table {
            let text = || value.as_str().ok_or(format!("hook: {key}: write a text"));
            let texts = || match value {
                toml::Value::Array(entries) => entries
                    .iter()
                    .map(|entry| entry.as_str().map(str::to_owned))
                    .collect::<Option<Vec<_>>>()
                    .ok_or(format!("hook: {key}: write a list of texts")),
                _ => Ok(vec![text()?.to_owned()]),
            };
            match key.as_str() {
                "name" => hook.name = Some(text()?.to_owned()),
                "url" => hook.url = text()?.to_owned(),
                "events" => hook.events = texts()?,
                "secret" => hook.secrets = texts()?.into_iter().map(SecretString::from).collect(),
                "private" => {
                    hook.private =
                        value.as_bool().ok_or("hook: private: write true or false".to_owned())?;
                }
                _ => {
                    return Err(format!(
                        "hook: there is no {key}; a web hook has name, url, events, secret and \
                         private"
                    ));
                }
            }
        }
        Ok(hook)
    }

    fn parse(&self, secrets: &mut BTreeMap<String, SecretString>) -> Result<Hook, String> {
        let url: Url = self.url.parse().map_err(|_| HOW_URL.to_owned())?;
        let host = url.host().ok_or(HOW_URL)?;
        let name = self.name.clone().unwrap_or_else(|| match &host {
            Host::Ipv6(address) => address.to_string().replace(':', "-"),
            host => host.to_string(),
        });
        let is_name = (1..=64).contains(&name.len())
            && name.bytes().all(|b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')
            });
        if !is_name {
            return Err("name: choose 1 to 64 lower-case letters, digits, '.', '-' and '_'".into());
        }
        let wrong = |what: &str| format!("{name}: {what}");
        match url.scheme() {
            "https" => {}
            "http" if self.private => {}
            "http" => {
                return Err(wrong(
                    "url: what is told of users travels over https; http is for private = true",
                ));
            }
            _ => return Err(wrong(HOW_URL)),
        }
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || url.fragment().is_some() || self.url.len() > URL_MAX {
            return Err(wrong(
                "url: leave out user, password and fragment; up to 2,000 characters",
            ));
        }
        let mut texts: Vec<SecretString> = self.secrets.clone();
        if let Some(from_environment) = secrets.remove(&variable(&name)) {
            let several = from_environment.expose_secret().split([',', ' ']);
            texts = several.filter(|text| !text.is_empty()).map(SecretString::from).collect();
        }
        if texts.is_empty() {
            return Err(wrong(&format!(
                "there is no secret; set COUNTERSIGN_{}, or secret = \"whsec_…\": openssl rand \
                 -base64 32 makes what stands behind whsec_",
                variable(&name)
            )));
        }
        let keys = texts.iter().map(key).collect::<Option<Vec<_>>>();
        let keys =
            keys.ok_or_else(|| wrong("secret: write whsec_ and the base64 of 24 to 64 bytes"))?;
        let events = self.events().map_err(|why| wrong(&why))?;
        Ok(Hook { name, url, events, keys, private: self.private })
    }

    fn events(&self) -> Result<Vec<&'static str>, String> {
        if self.events.iter().any(|event| event == "*") {
            return Ok(HOOK_EVENTS.to_vec());
        }
        let known = |event: &String| {
            HOOK_EVENTS.into_iter().find(|known| known == event).ok_or_else(|| {
                format!("events: there is no {event}; there are {}", HOOK_EVENTS.join(", "))
            })
        };
        let events = self.events.iter().map(known).collect::<Result<Vec<_>, _>>()?;
        if events.is_empty() {
            return Err(format!("events: name some of {}, or \"*\"", HOOK_EVENTS.join(", ")));
        }
        Ok(events)
    }
}

impl Config {
    /// The web hooks.
    ///
    /// # Errors
    /// One that will not do, two of one name, a secret in the environment that is nobody's.
    pub(crate) fn hooks(&self) -> Result<Vec<Hook>, ConfigError> {
        let wrong = |why: String| ConfigError::Together(format!("hook: {why}"));
        let mut secrets = self.hook_secrets.clone();
        let mut hooks: Vec<Hook> = Vec::new();
        for written in &self.hooks {
            let hook = written.parse(&mut secrets).map_err(wrong)?;
            if hooks.iter().any(|other| variable(&other.name) == variable(&hook.name)) {
                return Err(wrong(format!(
                    "{}: there are two of this name; give each its own name",
                    hook.name
                )));
            }
            hooks.push(hook);
        }
        match secrets.keys().next() {
            Some(left) => Err(ConfigError::Together(format!(
                "COUNTERSIGN_{left} is the secret of no web hook; the name in it is that of a \
                 [[hook]]"
            ))),
            None => Ok(hooks),
        }
    }
}

/// What the environment variable of a hook's secret is called, behind the prefix of all.
fn variable(hook: &str) -> String {
    let name = hook.to_ascii_uppercase().replace(['.', '-'], "_");
    format!("{SECRET_PREFIX}{name}")
}

fn key(text: &SecretString) -> Option<hmac::Key> {
    let bytes = STANDARD.decode(text.expose_secret().strip_prefix("whsec_")?).ok()?;
    (24..=64).contains(&bytes.len()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// What the environment variables of secrets begin with, behind the prefix of all.
pub(super) const SECRET_PREFIX: &str = "HOOK_SECRET_";

const MOST_HOOKS: usize = 32;
const URL_MAX: usize = 2_000;
const HOW_URL: &str = "url: write it like https://crm.example.com/hooks/accounts";

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn hooks(file: &str, environment: &[(&str, &str)]) -> Result<Vec<Hook>, String> {
        let table: toml::Table = file.parse().unwrap();
        let hooks = table.get("hook").map_or(Ok(Vec::new()), WrittenHook::read_all)?;
        let secrets = environment.iter().map(|(name, text)| ((*name).into(), (*text).into()));
        let no_more = Config::load(None, std::iter::empty(), std::iter::empty()).unwrap();
        let config = Config { hooks, hook_secrets: secrets.collect(), ..no_more };
        config.hooks().map_err(|error| error.to_string())
    }

    fn one(lines: &str) -> String {
        format!("[[hook]]\nurl = \"https://crm.example.com/in/s3cret\"\n{lines}")
    }

    #[test]
    fn a_hook_is_called_after_its_host_and_shows_neither_its_secret_nor_its_path() {
        let file = one(&format!("events = [\"user.created\"]\nsecret = \"{SECRET}\""));
        let hooks = hooks(&file, &[]).unwrap();
        assert_eq!((hooks[0].name.as_str(), hooks[0].events.len()), ("crm.example.com", 1));
        let shown = format!("{hooks:?}");
        assert!(shown.contains("https://crm.example.com/…"), "{shown}");
        assert!(!shown.contains("s3cret") && !shown.contains("MfKQ"), "{shown}");
    }

    #[test]
    fn a_secret_comes_from_the_environment_too_and_one_that_is_nobodys_is_told() {
        let file = one("name = \"my-crm\"\nevents = \"*\"");
        let error = hooks(&file, &[]).unwrap_err();
        assert!(error.contains("COUNTERSIGN_HOOK_SECRET_MY_CRM"), "{error}");
        let both = format!("{SECRET},{SECRET}");
        let made = hooks(&file, &[("HOOK_SECRET_MY_CRM", &both)]).unwrap();
        assert_eq!((made[0].keys.len(), made[0].events.len()), (2, HOOK_EVENTS.len()));
        let error = hooks("", &[("HOOK_SECRET_CRM", SECRET)]).unwrap_err();
        assert!(error.contains("is the secret of no web hook"), "{error}");
    }

    #[test]
    fn what_will_not_do_is_told_without_the_secret() {
        let good = format!("events = [\"user.created\"]\nsecret = \"{SECRET}\"\n");
        for (file, told) in [
            (one("events = [\"user.made\"]\nsecret = \"whsec_AAAA\""), "base64 of 24"),
            (one(&format!("secret = \"{SECRET}\"")), "events: name some"),
            (one(&format!("{good}evnets = 1")), "there is no evnets"),
            (one(&good).replace("https", "http"), "private = true"),
            (one(&good).replace("https://", "https://me:pw@"), "leave out user"),
            (one(&good).replace("https://crm.example.com", "crm"), "url: write it like"),
            (one(&good) + &one(&good), "two of this name"),
            (one(&good).replace("[[hook]]", "[hook]"), "[[hook]]"),
            (one(&good).replace("user.created", "user.made"), "there is no user.made"),
        ] {
            let error = hooks(&file, &[]).unwrap_err();
            assert!(error.contains(told), "{error}");
            assert!(!error.contains("MfKQ") && !error.contains("s3cret"), "{error}");
        }
        assert!(hooks(&(one(&good).replace("https", "http") + "private = true"), &[]).is_ok());
    }
}
