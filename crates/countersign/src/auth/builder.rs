//! The builder of [`Auth`].

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::events::{Events, NoEvents};
use super::registration::{NoHooks, RegistrationHooks};
use super::schemas::{Schemas, USER_SCHEMA};
use super::settings::{Settings, SettingsError};
use super::start::{Start, start};
use super::{Auth, StartError};
use crate::clock::{Clock, OsRandom, Random, SystemClock};
use crate::mail::{MailTemplates, Mailer};
use crate::own_table::OwnTable;
use crate::password::{BreachedList, Judge, Passwords};
use crate::store::Store;
use crate::token::Secrets;
use crate::user::{Registers, Users};

/// Builds an [`Auth`]. Every setting has the default of the binary; [`Settings`] documents each.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use std::time::Duration;
///
/// use countersign::Auth;
///
/// # world::block_on(async {
/// # let (store, secrets, _directory) = world::place();
/// let auth = Auth::builder(store)
///     .secrets(secrets)
///     .public_url("https://api.example.com")
///     .allow_origins(["https://app.example.com"])
///     .session_lifetime(Duration::from_secs(7 * 86_400), Duration::from_secs(90 * 86_400))
///     .build()
///     .await
///     .unwrap();
/// # });
/// ```
pub struct AuthBuilder {
    settings: Settings,
    /// What methods chose, each one setting.
    choices: Vec<Choice>,
    pub(super) wrong: Option<SettingsError>,
    secret: Option<Secret>,
    store: Arc<dyn Store>,
    users: Option<OwnTable>,
    events: Arc<dyn Events>,
    registration: Arc<dyn RegistrationHooks>,
    breached: Vec<Arc<dyn BreachedList>>,
    passwords: Option<Passwords>,
    user_schemas: Option<Schemas>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    mailer: Option<Arc<dyn Mailer>>,
    mail_templates: MailTemplates,
}

type Choice = Box<dyn Fn(&mut Settings) + Send + Sync>;

enum Secret {
    Given(Secrets),
    File(PathBuf),
}

impl AuthBuilder {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            settings: Settings::default(),
            choices: Vec::new(),
            wrong: None,
            secret: None,
            store,
            users: None,
            events: Arc::new(NoEvents),
            registration: Arc::new(NoHooks),
            breached: Vec::new(),
            passwords: None,
            user_schemas: None,
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
            mailer: None,
            mail_templates: MailTemplates::built_in(),
        }
    }

    /// The secret from which the keys of refresh, CSRF and device tokens are derived, and under
    /// which the signing keys are sealed in the store.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::token::Secrets;
    ///
    /// # let (store, _, _directory) = world::place();
    /// # let from_the_vault = "0123456789abcdef0123456789abcdef";
    /// let builder = Auth::builder(store).secrets(Secrets::from_text(from_the_vault).unwrap());
    /// ```
    #[must_use]
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.secret = Some(Secret::Given(secrets));
        self
    }

    /// The secret in this file, which the first start makes (mode 0600).
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # world::block_on(async {
    /// # let (store, _, directory) = world::place();
    /// let secret = directory.path().join("secret");
    /// let auth = Auth::builder(store).secret_file(&secret).build().await.unwrap();
    /// assert!(secret.exists());
    /// # });
    /// ```
    #[must_use]
    pub fn secret_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.secret = Some(Secret::File(path.into()));
        self
    }

    /// All settings at once. What a method for one of them chooses counts all the same, whether it
    /// comes before or after.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::{Auth, Settings};
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let mut settings = Settings::default();
    /// settings.session_refreshes_per_minute = 0;
    /// let auth = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .audience("shop")
    ///     .settings(settings)
    ///     .build()
    ///     .await
    ///     .unwrap();
    /// # let claims = world::claims(&auth).await;
    /// assert_eq!(claims["aud"], "shop");
    /// # });
    /// ```
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        for choice in &self.choices {
            choice(&mut self.settings);
        }
        self
    }

    /// Chooses one setting, whatever [`settings`](Self::settings) says of it.
    pub(super) fn choose(mut self, choice: impl Fn(&mut Settings) + Send + Sync + 'static) -> Self {
        choice(&mut self.settings);
        self.choices.push(Box::new(choice));
        self
    }

    /// Users in a table of the app's own, in place of the store's.
    ///
    /// ```
    /// use countersign::store::Store;
    /// use countersign::user::Users;
    /// use countersign::{Auth, AuthBuilder};
    ///
    /// /// `members` asks the app's own table; `store` keeps sessions, keys and the feed.
    /// fn on_our_table(store: impl Store, members: impl Users) -> AuthBuilder {
    ///     Auth::builder(store).users(members)
    /// }
    /// ```
    #[must_use]
    pub fn users(mut self, users: impl Users) -> Self {
        self.users = Some(OwnTable::of(users));
        self
    }

    /// Users in a table of the app's own in which people register: the endpoints for registration
    /// and for addresses are mounted.
    ///
    /// ```
    /// use countersign::settings::Registration;
    /// use countersign::store::Store;
    /// use countersign::user::Registers;
    /// use countersign::{Auth, AuthBuilder, Settings};
    ///
    /// fn with_sign_up(store: impl Store, members: impl Registers) -> AuthBuilder {
    ///     let mut settings = Settings::default();
    ///     settings.accounts.registration = Registration::Open;
    ///     Auth::builder(store).settings(settings).registering_users(members)
    /// }
    /// ```
    #[must_use]
    pub fn registering_users(mut self, users: impl Registers) -> Self {
        self.users = Some(OwnTable::registering(users));
        self
    }

    /// How the OpenAPI document describes the app's own users: the `user` of login and profile.
    /// Without it they are any object.
    ///
    /// ```
    /// use countersign::store::Store;
    /// use countersign::user::{UserId, Users};
    /// use countersign::{Auth, AuthBuilder};
    ///
    /// #[derive(serde::Serialize, utoipa::ToSchema)]
    /// struct Member {
    ///     #[schema(value_type = String)]
    ///     id: UserId,
    ///     plan: String,
    /// }
    ///
    /// fn on_our_table(store: impl Store, members: impl Users) -> AuthBuilder {
    ///     Auth::builder(store).users(members).user_schema::<Member>()
    /// }
    /// ```
    #[must_use]
    pub fn user_schema<U: utoipa::ToSchema>(mut self) -> Self {
        let mut schemas = vec![(USER_SCHEMA.to_owned(), U::schema())];
        U::schemas(&mut schemas);
        self.user_schemas = Some(schemas);
        self
    }

    /// Who wants to hear of logins, logouts, thefts.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::events::{Event, Events};
    ///
    /// #[derive(Debug)]
    /// struct Audit;
    ///
    /// impl Events for Audit {
    ///     fn on_login(&self, event: &Event<'_>) {
    ///         println!("{} {:?} logged in from {}", event.at, event.user, event.ip);
    ///     }
    /// }
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let builder = Auth::builder(store).secrets(secrets).events(Audit);
    /// ```
    #[must_use]
    pub fn events(mut self, events: impl Events) -> Self {
        self.events = Arc::new(events);
        self
    }

    /// What the app has to say before somebody registers, and what it does after.
    ///
    /// ```
    /// use countersign::registration::RegistrationHooks;
    /// use countersign::store::Store;
    /// use countersign::{Auth, AuthBuilder};
    ///
    /// fn with_terms(store: impl Store, terms: impl RegistrationHooks) -> AuthBuilder {
    ///     Auth::builder(store).registration_hooks(terms)
    /// }
    /// ```
    #[must_use]
    pub fn registration_hooks(mut self, hooks: impl RegistrationHooks) -> Self {
        self.registration = Arc::new(hooks);
        self
    }

    /// The hashing pool of another [`Auth`](Auth::passwords) or of the app's own, in place of one
    /// for this alone: many tenants then share its threads and its memory. The setting `hash` has
    /// no part in it.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::password::{HashSettings, Passwords};
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let pool = Passwords::new(HashSettings::default()).unwrap();
    /// let acme = Auth::builder(store).secrets(secrets).passwords(pool.clone());
    /// # acme.build().await.unwrap();
    /// # });
    /// ```
    #[must_use]
    pub fn passwords(mut self, pool: Passwords) -> Self {
        self.passwords = Some(pool);
        self
    }

    /// A list of passwords that were found in breaches, which nobody may choose. Given several
    /// times, each is asked.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use countersign::password::{BreachedError, BreachedPasswords};
    /// use countersign::store::Store;
    /// use countersign::{Auth, AuthBuilder};
    ///
    /// fn with_list(store: impl Store) -> Result<AuthBuilder, BreachedError> {
    ///     // Made by `countersign passwords build-filter`.
    ///     let list = BreachedPasswords::open("breached.filter".as_ref())?;
    ///     Ok(Auth::builder(store).breached_passwords(Arc::new(list)))
    /// }
    /// ```
    #[must_use]
    pub fn breached_passwords(mut self, list: impl BreachedList) -> Self {
        self.breached.push(Arc::new(list));
        self
    }

    /// Who sends mails. Without one nothing that needs a mail is mounted: forgotten passwords,
    /// codes, changes of the address.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use countersign::mail::Mailer;
    /// use countersign::store::Store;
    /// use countersign::{Auth, AuthBuilder};
    ///
    /// fn with_mail(store: impl Store, mailer: Arc<dyn Mailer>) -> AuthBuilder {
    ///     Auth::builder(store).mailer(mailer)
    /// }
    /// ```
    #[must_use]
    pub fn mailer(mut self, mailer: Arc<dyn Mailer>) -> Self {
        self.mailer = Some(mailer);
        self
    }

    /// The texts of mails, in the place of the built-in ones.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::mail::MailTemplates;
    ///
    /// # let (store, secrets, directory) = world::place();
    /// # let folder = directory.path().join("mails");
    /// # std::fs::create_dir(&folder).unwrap();
    /// let templates = MailTemplates::read(&folder).unwrap();
    /// let builder = Auth::builder(store).mail_templates(templates);
    /// ```
    #[must_use]
    pub fn mail_templates(mut self, templates: MailTemplates) -> Self {
        self.mail_templates = templates;
        self
    }

    /// Another clock than the machine's: for tests.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use countersign::Auth;
    /// use countersign::clock::ManualClock;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    /// let auth =
    ///     Auth::builder(store).secrets(secrets).clock(clock.clone()).build().await.unwrap();
    /// clock.advance(Duration::from_secs(300)); // access tokens have expired
    /// # });
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another source of randomness than the operating system's: for tests.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use std::sync::Arc;
    ///
    /// use countersign::Auth;
    /// use countersign::clock::OsRandom;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// // What it is unless chosen:
    /// let builder = Auth::builder(store).secrets(secrets).random(Arc::new(OsRandom));
    /// ```
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Checks the settings, makes the first signing key where there is none, reads the feed, and
    /// begins to follow it, on the current Tokio runtime.
    ///
    /// # Errors
    /// [`StartError`], with a sentence that says what to do.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::{Auth, SettingsError, StartError};
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let error =
    ///     Auth::builder(store).secrets(secrets).base_path("accounts/").build().await.unwrap_err();
    /// assert!(matches!(error, StartError::Settings(SettingsError::BasePath)));
    /// # });
    /// ```
    pub async fn build(self) -> Result<Auth, StartError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong.into());
        }
        let secrets = match self.secret {
            Some(Secret::Given(secrets)) => secrets,
            Some(Secret::File(path)) => Secrets::load_or_create(&path, &*self.random)?,
            None => return Err(StartError::NoSecret),
        };
        let Self {
            settings,
            store,
            users,
            events,
            registration,
            breached,
            passwords,
            user_schemas,
            clock,
            random,
            mailer,
            mail_templates,
            ..
        } = self;
        start(Start {
            settings,
            secrets,
            store,
            users,
            events,
            registration,
            judge: Judge::asking(breached),
            passwords,
            user_schemas,
            clock,
            random,
            mailer,
            mail_templates,
        })
        .await
    }
}

impl fmt::Debug for AuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder")
            .field("settings", &self.settings)
            .field("store", &self.store)
            .field("users", &self.users)
            .finish_non_exhaustive()
    }
}
