//! One-time tokens, and what they bring about.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::outbox::{MailBounds, NewMail};
use crate::password::EncodedPassword;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use crate::session::RevokedReason;
use crate::token::{Fingerprint, Purpose, SecretHash, TokenId};
use crate::user::{Email, NewUser, ProfileChange, User, UserId};

/// What is asked of a store about one-time tokens. Each operation is one transaction: the token,
/// the act and the mails are all there, or none of them.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::clock::OsRandom;
/// use countersign::store::{Act, NewToken, Proof, TokenStore, Use, Used};
/// use countersign::token::{Fingerprint, OneTimeToken, Purpose};
/// use countersign::user::fold_address;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// # use countersign::store::UserStore as _;
/// # let password = store.password_of(ada.id).await.unwrap().unwrap();
/// let token = OneTimeToken::draw(&OsRandom);
/// let address = fold_address(&ada.email);
/// let new = NewToken {
///     fingerprint: Fingerprint::of(&password, &address, true),
///     ..NewToken::new(&token, Purpose::VerifyEmail, now, now + std::time::Duration::from_secs(60))
/// };
/// let new = NewToken { user: Some(ada.id), address, ..new };
/// store.issue_token(new, Vec::new(), Default::default()).await.unwrap();
///
/// let take = || Use {
///     id: token.id(),
///     purpose: Purpose::VerifyEmail,
///     proof: Proof::Secret(token.hash()),
///     now,
///     act: Act::VerifyEmail { to: None, password: None },
///     mails: Vec::new(),
/// };
/// assert!(matches!(store.use_token(take()).await.unwrap(), Used::Done { .. }));
/// assert_eq!(store.use_token(take()).await.unwrap(), Used::Invalid); // once
/// # });
/// ```
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Issues tokens and queues their mails. Older tokens of the same purpose and user, or address
    /// where there is no user, end; those of [`Purpose::Undo`] do not, since a thief would ask for
    /// another. A mail beyond the `bounds` of its address is not sent, and its token is dead from
    /// the beginning, while the older ones live on: whoever floods an address takes nobody's link
    /// away. One of [`Purpose::VerifyEmail`] without an older one stays, without its code: nobody
    /// was told of it, and the next mail is made from it. `false`, and nothing is done, where a
    /// token's user has had their share of its purpose.
    async fn issue_tokens(
        &self,
        tokens: Vec<NewToken>,
        mails: Vec<NewMail>,
        bounds: MailBounds,
    ) -> Result<bool, StoreError>;

    /// The same for one.
    async fn issue_token(
        &self,
        token: NewToken,
        mails: Vec<NewMail>,
        bounds: MailBounds,
    ) -> Result<bool, StoreError> {
        self.issue_tokens(vec![token], mails, bounds).await
    }

    /// Ties the tokens of a user that are tied to one state of their row to another: the password
    /// is the same, and its encoding is a new one. For users who live elsewhere.
    async fn carry_tokens(
        &self,
        user: UserId,
        before: Fingerprint,
        after: Fingerprint,
    ) -> Result<(), StoreError>;

    /// The token with this id, used and expired ones too until they are pruned.
    async fn token(&self, id: TokenId) -> Result<Option<StoredToken>, StoreError>;

    /// The tokens of a purpose for a folded address that are somebody's and were neither used nor
    /// ended, the newest first, at most `limit`. Several users may claim one address.
    async fn tokens_for(
        &self,
        purpose: Purpose,
        address: &str,
        limit: u32,
    ) -> Result<Vec<StoredToken>, StoreError>;

    /// Counts a try at a code, in one statement: at that of each token of the purpose for a folded
    /// address that is somebody's, was neither used nor ended, is not too old, and has had fewer
    /// than [`CODE_TRIES`]; of more than [`CODE_CLAIMS`] at the newest. These tokens, with the try
    /// counted: the code may be that of any of them.
    async fn try_codes(
        &self,
        purpose: Purpose,
        address: &str,
        now: Timestamp,
    ) -> Result<Vec<StoredToken>, StoreError>;

    /// Uses a token, once: of two at the same time one is done. What it was made for must still be
    /// so: the user's row has the token's fingerprint.
    ///
    /// # Errors
    /// [`StoreError::EmailTaken`] when the new address is another active user's by now,
    /// [`StoreError::UsernameTaken`] for the name of another. The token is not used up.
    async fn use_token(&self, take: Use) -> Result<Used, StoreError>;

    /// Makes a user without an address, issues the token that proves the one they claim, and queues
    /// a mail. Where the address is another user's already, the token is nobody's, and that user
    /// gets the other mail: the same rows are written either way. A mail beyond the bounds is not
    /// sent, and its token has no code, as with [`issue_tokens`](Self::issue_tokens).
    ///
    /// # Errors
    /// [`StoreError::UsernameTaken`]; nothing is done then.
    async fn register(&self, register: Register) -> Result<User, StoreError>;

    /// Forgets tokens that expired before `before`, at most `limit`. How many went.
    async fn prune_tokens(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}

/// So many wrong codes end a token.
pub const CODE_TRIES: u32 = 5;

/// With so many tokens for one address a code is compared at most: more than three hours of mails
/// to it, as they are bounded by default. Each of them is tried [`CODE_TRIES`] times, however many
/// there are, so that to guess at one becomes no easier by the others.
pub const CODE_CLAIMS: u32 = 16;

/// A token to be issued.
///
/// ```
/// use countersign::clock::OsRandom;
/// use countersign::store::NewToken;
/// use countersign::token::{OneTimeToken, Purpose};
///
/// let (token, now) = (OneTimeToken::draw(&OsRandom), jiff::Timestamp::UNIX_EPOCH);
/// let new = NewToken::new(&token, Purpose::ResetPassword, now, now);
/// assert!(new.user.is_none() && new.address.is_empty());
/// ```
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its id, freshly drawn.
    pub id: TokenId,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose it is. `None` for an address that nobody has: such a token serves nothing.
    pub user: Option<UserId>,
    /// The folded address that it was asked for.
    pub address: String,
    /// The hash of its secret.
    pub secret: SecretHash,
    /// The hash of its code, if it has one.
    pub code: Option<SecretHash>,
    /// The user's row as it was.
    pub fingerprint: Fingerprint,
    /// What the act needs.
    pub payload: TokenPayload,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl NewToken {
    /// A token of nobody, without a code.
    ///
    /// ```
    /// use countersign::clock::OsRandom;
    /// use countersign::store::NewToken;
    /// use countersign::token::{OneTimeToken, Purpose};
    ///
    /// let (token, now) = (OneTimeToken::draw(&OsRandom), jiff::Timestamp::UNIX_EPOCH);
    /// assert_eq!(NewToken::new(&token, Purpose::Undo, now, now).id, token.id());
    /// ```
    #[must_use]
    pub fn new(
        token: &crate::token::OneTimeToken,
        purpose: Purpose,
        created_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            id: token.id(),
            purpose,
            user: None,
            address: String::new(),
            secret: token.hash(),
            code: None,
            fingerprint: Fingerprint::of_nobody(),
            payload: TokenPayload::default(),
            created_at,
            expires_at,
        }
    }
}

/// What the act of a token needs beside the user. Kept as JSON.
///
/// ```
/// use countersign::store::TokenPayload;
///
/// let new_address = Some("ada@example.org".into());
/// let payload = TokenPayload { new_address, ..Default::default() };
/// let kept = serde_json::to_string(&payload).unwrap();
/// assert_eq!(serde_json::from_str::<TokenPayload>(&kept).unwrap(), payload);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenPayload {
    /// The address that is to become the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_address: Option<String>,
    /// The address that was the user's before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former_address: Option<String>,
    /// SHA-256, in hexadecimal, of the cookie that the browser got which asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    /// Whether the session that it begins is not to outlive the browser.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_short: bool,
}

/// A token as the store has it.
///
/// ```
/// use countersign::store::StoredToken;
///
/// fn is_live(token: &StoredToken, now: jiff::Timestamp) -> bool {
///     !token.is_used && token.expires_at > now
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// Its id.
    pub id: TokenId,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose it is.
    pub user: Option<UserId>,
    /// The folded address that it was asked for.
    pub address: String,
    /// The hash of its secret.
    pub secret: SecretHash,
    /// The hash of its code.
    pub code: Option<SecretHash>,
    /// How many codes were tried.
    pub tries: u32,
    /// The user's row as it was.
    pub fingerprint: Fingerprint,
    /// What the act needs.
    pub payload: TokenPayload,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it was used, or a newer one ended it.
    pub is_used: bool,
}

impl StoredToken {
    /// Whether it serves `purpose` with this proof at `now`. The row's fingerprint is another
    /// question.
    ///
    /// ```
    /// use countersign::store::{Proof, StoredToken};
    /// use countersign::token::{OneTimeToken, Purpose};
    ///
    /// fn is_good(stored: &StoredToken, shown: &OneTimeToken, now: jiff::Timestamp) -> bool {
    ///     stored.serves(Purpose::ResetPassword, &Proof::Secret(shown.hash()), now)
    /// }
    /// ```
    #[must_use]
    pub fn serves(&self, purpose: Purpose, proof: &Proof, now: Timestamp) -> bool {
        let is_proved = match proof {
            Proof::Secret(hash) => self.secret == *hash,
            Proof::Code(hash) => self.code == Some(*hash) && self.tries <= CODE_TRIES,
        };
        is_proved && self.purpose == purpose && !self.is_used && self.expires_at > now
    }
}

/// What somebody shows.
///
/// ```
/// use countersign::clock::OsRandom;
/// use countersign::store::Proof;
/// use countersign::token::OneTimeToken;
///
/// let proof = Proof::Secret(OneTimeToken::draw(&OsRandom).hash());
/// assert!(matches!(proof, Proof::Secret(_)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The link.
    Secret(SecretHash),
    /// The code, whose try was counted.
    Code(SecretHash),
}

/// A token to be used, and what for.
///
/// ```
/// use countersign::store::{Act, Proof, Use};
/// use countersign::token::{OneTimeToken, Purpose};
///
/// fn verify(token: &OneTimeToken, now: jiff::Timestamp) -> Use {
///     Use {
///         id: token.id(),
///         purpose: Purpose::VerifyEmail,
///         proof: Proof::Secret(token.hash()),
///         now,
///         act: Act::VerifyEmail { to: None, password: None },
///         mails: Vec::new(),
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Use {
    /// Which token.
    pub id: TokenId,
    /// What it is used for: a token of one purpose serves no other.
    pub purpose: Purpose,
    /// What was shown.
    pub proof: Proof,
    /// The time.
    pub now: Timestamp,
    /// What is to be done.
    pub act: Act,
    /// What is queued with it.
    pub mails: Vec<NewMail>,
}

/// What a token brings about, in the transaction that uses it up.
///
/// ```
/// use countersign::password::EncodedPassword;
/// use countersign::store::Act;
///
/// let act = Act::SetPassword { new: EncodedPassword::unusable() };
/// assert!(format!("{act:?}").starts_with("SetPassword"));
/// ```
#[derive(Debug, Clone)]
pub enum Act {
    /// The address is the user's. If it was not known to be, and it is not the browser that
    /// registered, what was set before dies: somebody else may have registered with the address and
    /// waited.
    VerifyEmail {
        /// The address, where it becomes the user's only now.
        to: Option<Email>,
        /// The password in the place of that of the sign-up; with it all sessions end. `None` in
        /// the browser that registered, or for who knows the password.
        password: Option<EncodedPassword>,
    },
    /// The password becomes this one and the address is proved; all sessions end.
    SetPassword {
        /// The new one.
        new: EncodedPassword,
    },
    /// An invitation is accepted: the password becomes this one, the profile is changed, the
    /// address is proved, and all sessions end.
    Join {
        /// The first password.
        password: EncodedPassword,
        /// The names that were chosen.
        profile: ProfileChange,
    },
    /// The user's address becomes this one, and is proved.
    ChangeEmail {
        /// The new one.
        to: Email,
    },
    /// The former address is back, the password is unusable, all sessions end, and every other
    /// token of the user dies, but for those that undo an earlier change: who came first is the
    /// owner. Whatever the row is by then: whoever changed the address may have
    /// changed the password too. Whoever has the address in their row without a proof, or as their
    /// name, loses it.
    Undo {
        /// The former one; empty for none.
        to: String,
        /// What no password matches.
        password: EncodedPassword,
    },
    /// The address is proved, and nothing else happens here: a session is begun after it.
    ProveAddress,
    /// Users live elsewhere, or nothing is done to the row: the token is used up, if the row that
    /// the caller has read has this fingerprint.
    Elsewhere {
        /// The row as it is.
        row: Fingerprint,
        /// What goes here with what is done there.
        leftovers: Leftovers,
    },
}

/// What somebody may have left in an account beside its password and its sessions, who was in it
/// and is put out by a token.
///
/// ```
/// use countersign::store::Leftovers;
///
/// assert_eq!(Leftovers::default(), Leftovers::Stay);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Leftovers {
    /// Nobody is put out: nothing goes.
    #[default]
    Stay,
    /// An address is given back: what was enrolled since the token was made goes, and what was
    /// enrolled before it was made, as far back as it is good for; with the last factor the
    /// recovery codes. What is older is the owner's.
    RecentFactors,
    /// An account is taken over by whoever has proved the address that it was registered with:
    /// every factor goes, with the recovery codes, and every other token, those that undo a change
    /// of the address too.
    FactorsAndTokens,
}

impl Act {
    /// What goes with it, where it proves an address that nobody had proved or undoes a change.
    ///
    /// An address that somebody wrote into the row of an account that is theirs already, as an
    /// operator, an import or the user does, says nothing of its factors and links.
    #[cfg(any(feature = "axum", feature = "postgres", feature = "sqlite"))]
    pub(crate) const fn leftovers(&self) -> Leftovers {
        match self {
            Self::VerifyEmail { to: Some(_), password: Some(_) } => Leftovers::FactorsAndTokens,
            Self::Undo { .. } => Leftovers::RecentFactors,
            _ => Leftovers::Stay,
        }
    }

    /// Why the sessions end that it ends.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) const fn reason(&self) -> RevokedReason {
        match self {
            Self::SetPassword { .. } | Self::Join { .. } | Self::Undo { .. } => {
                RevokedReason::PasswordChanged
            }
            _ => RevokedReason::LogoutAll,
        }
    }
}

/// What became of a token that was to be used.
///
/// ```
/// use countersign::store::Used;
///
/// fn is_done(used: &Used) -> bool {
///     matches!(used, Used::Done { .. })
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Used {
    /// It was, and its act is done.
    Done {
        /// The user's row after it; `None` where users live elsewhere.
        user: Option<Box<User>>,
        /// How many sessions ended.
        ended: u64,
    },
    /// Unknown, used, expired, of another purpose, with another proof, or the row is another by
    /// now. Nothing was done.
    Invalid,
}

/// Somebody who registers.
///
/// ```
/// use countersign::store::{Register, StoreError, TokenStore};
///
/// async fn register(store: &dyn TokenStore, new: Register) -> Result<bool, StoreError> {
///     match store.register(new).await {
///         Ok(_) => Ok(true), // whether or not another has the address
///         Err(StoreError::UsernameTaken) => Ok(false),
///         Err(error) => Err(error),
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Register {
    /// Who, with the language of their mails, and without an address.
    pub user: NewUser,
    /// The address that becomes theirs when it is proved. The user is made even if another has it,
    /// who is told.
    pub claims: Email,
    /// Until when they wait for it, where nobody logs in before.
    pub waits_until: Option<Timestamp>,
    /// The token that proves the address. Its user and fingerprint are filled in.
    pub token: NewToken,
    /// The mail with it.
    pub mail: NewMail,
    /// The mail to whoever has the address already.
    pub taken: NewMail,
    /// How many mails an address gets.
    pub bounds: MailBounds,
    /// The time.
    pub now: Timestamp,
}
