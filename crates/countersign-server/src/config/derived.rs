//! What follows from the settings, for `countersign config`.

use super::{Config, ConfigError, Database, Source, without_password};

/// A value that follows from settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Derived {
    /// What it is.
    pub(crate) name: &'static str,
    /// The value, without any secret.
    pub(crate) value: String,
    /// The settings that it follows from.
    pub(crate) from: String,
}

impl Config {
    /// What follows from the settings, in the order in which a reader wants it.
    ///
    /// # Errors
    /// The first setting that does not do.
    pub(crate) fn derived(&self) -> Result<Vec<Derived>, ConfigError> {
        let settings = self.settings()?;
        let checked = settings.check().map_err(|error| ConfigError::Together(error.to_string()))?;
        let mut all = Vec::new();
        let mut add = |name, value: String, from: &str| {
            all.push(Derived { name, value, from: from.to_owned() });
        };
        // The setting itself where it was chosen, and otherwise what its value is made of.
        let chosen = |name: &'static str, otherwise: &'static str| {
            if self.source(name) == Source::Default { otherwise } else { name }
        };
        let public = format!("{}{}", checked.public_origin, settings.home());
        add("public URL", public.clone(), chosen("public_url", "listen"));
        add("issuer", checked.issuer.clone(), chosen("issuer", "public_url"));
        add("endpoints", format!("{public}{}", settings.base_path), "public_url, base_path");
        add("key set", format!("{public}/.well-known/jwks.json"), "public_url");
        add(
            "refresh cookie",
            checked.cookies.refresh_name().to_owned(),
            chosen("refresh_cookie", "public_url, cookie_domain"),
        );
        add("CSRF cookie", checked.cookies.csrf_name().to_owned(), "csrf_cookie");
        add("device cookie", settings.cookies.device.clone(), "device_cookie");
        if self.switch("admin")? {
            add("admin site", format!("{public}/admin/"), "public_url");
        }
        if self.demo(&settings)? {
            add("demo page", format!("{public}/"), chosen("demo", "public_url"));
        }
        let database = match self.database()? {
            Database::Sqlite(path) => format!("sqlite:{}", path.display()),
            Database::Postgres { url, .. } => without_password(&url),
        };
        add("database", database, chosen("database_url", "data_dir"));
        let secret = match self.secret()? {
            Some(_) => "(not shown)".to_owned(),
            None => format!("the file {}", self.data_dir().join("secret").display()),
        };
        add("secret", secret, chosen("secret", "data_dir"));
        add("hashing threads", settings.hash.threads.to_string(), "hash_threads");
        Ok(all)
    }
}
