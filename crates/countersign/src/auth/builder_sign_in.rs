//! The builder's methods for the settings of second factors, one for each.

use super::builder::AuthBuilder;
use crate::sign_in::Policy;

impl AuthBuilder {
    /// Who must have a second factor, and how long a device may do without.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::sign_in::{Policy, SecondFactor};
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let mut required = Policy::default();
    /// required.second_factor = SecondFactor::Required;
    /// let auth = Auth::builder(store).secrets(secrets).sign_in(required).build().await.unwrap();
    /// # let claims = world::claims(&auth).await;
    /// assert_eq!(claims["scope"], "enrol"); // who has none may enrol one, and do nothing else
    /// # });
    /// ```
    #[must_use]
    pub fn sign_in(self, policy: Policy) -> Self {
        self.choose(move |settings| settings.sign_in = policy.clone())
    }

    /// The domain that passkeys belong to, in place of the public URL's: that one, or one above it.
    /// Choose it before the first passkey is registered: with another nobody's is good any more.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let error = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .public_url("https://app.example.com")
    ///     .passkey_rp_id("example.org")
    ///     .build()
    ///     .await
    ///     .unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "passkey_rp_id: choose the domain of public_url, or one above it"
    /// );
    /// # });
    /// ```
    #[must_use]
    pub fn passkey_rp_id(self, domain: impl Into<String>) -> Self {
        let domain = Some(domain.into());
        self.choose(move |settings| settings.passkey_rp_id.clone_from(&domain))
    }

    /// Origins beside the public URL's whose pages and apps may use its passkeys, on other domains
    /// too. Those of [`allow_origins`](Self::allow_origins) below the same domain may anyway.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let auth = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .public_url("https://app.example.com")
    ///     .passkey_rp_id("example.com")
    ///     .passkey_origins(["https://shop.example"])
    ///     .build()
    ///     .await
    ///     .unwrap();
    /// # let related = world::get(&auth.routes(), "/.well-known/webauthn", None).await;
    /// // With the feature `passkeys`.
    /// assert_eq!(related, (200, r#"{"origins":["https://shop.example"]}"#.to_owned()));
    /// # });
    /// ```
    #[must_use]
    pub fn passkey_origins<T: Into<String>>(self, origins: impl IntoIterator<Item = T>) -> Self {
        let origins: Vec<String> = origins.into_iter().map(Into::into).collect();
        self.choose(move |settings| settings.passkey_origins.clone_from(&origins))
    }
}
