use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::account::{Account, TokenUser};
use crate::claims::Claims;
use crate::revocations::Revocations;
use crate::verifier::Seen;
use crate::waiting::Ended;

/// Who is asking: what the access token says, and the user. Cheap to clone.
///
/// `protect` and the layer of a resource server put it into a request's extensions, once everything
/// about the request has been checked.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use axum::{Router, routing::get};
/// use countersign_verify::Identity;
///
/// async fn whoami(who: Identity) -> String {
///     format!("{} in session {}", who.account().username(), who.claims().sid)
/// }
/// # let app = Router::new().route("/", get(whoami)).layer(world::layer());
/// # assert_eq!(world::ask(app, "/"), (200, "ada in session 0000000000000001".to_owned()));
/// ```
#[derive(Clone)]
pub struct Identity {
    known: Arc<dyn Known>,
    at: u64,
    /// How often all were told that their session may have ended, when this one was looked at.
    doubts: u64,
}

impl Identity {
    /// The identity that a verified token stands for, at `at`, in whole seconds since 1970. The
    /// caller has checked the session and the user.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::{Identity, TokenUser, Verifier};
    ///
    /// # let (verifier, token, now) = (world::verifier(), world::token(), world::NOW);
    /// let verifier: Verifier<TokenUser> = verifier;
    /// let verified = verifier.check(&token, now).unwrap();
    /// let user = TokenUser::of(&verified.claims).unwrap();
    /// let who = Identity::new(verifier.remember(&token, verified, user), now);
    /// assert_eq!(who.account().username(), "ada");
    /// ```
    pub fn new<T: HasAccount>(seen: Arc<Seen<T>>, at: u64) -> Self {
        let doubts = seen.attached.revocations().map_or(0, Revocations::doubts);
        Self { known: seen, at, doubts }
    }

    /// The same where the session was looked at when [`Revocations::doubts`] was this: what comes
    /// between the look and this is then not missed by [`ended`](Self::ended).
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use countersign_verify::{HasAccount, Identity, Revocations, Verifier};
    ///
    /// fn find<T: HasAccount>(
    ///     verifier: &Verifier<T>,
    ///     sessions: &Revocations,
    ///     token: &str,
    ///     now: u64,
    /// ) -> Option<Identity> {
    ///     let doubts = sessions.doubts(); // before anything is looked at
    ///     let seen = verifier.seen(token, now)?;
    ///     let is_live = !sessions.contains(seen.claims.sid);
    ///     is_live.then(|| Identity::new(seen, now).checked_at(doubts))
    /// }
    /// ```
    #[must_use]
    pub fn checked_at(self, doubts: u64) -> Self {
        Self { doubts, ..self }
    }

    /// What the access token says.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # let who = world::ada();
    /// assert_eq!(who.claims().sub, "7");
    /// assert_eq!(who.claims().iss, "https://id.example.com");
    /// ```
    pub fn claims(&self) -> &Claims {
        self.known.claims()
    }

    /// The user, as far as permissions need to know.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # let who = world::ada();
    /// assert!(who.account().has_perm("articles.publish"));
    /// assert!(!who.account().is_staff());
    /// ```
    pub fn account(&self) -> &dyn Account {
        self.known.account()
    }

    /// The user in full, where users are of the type `U`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::TokenUser;
    ///
    /// # let who = world::ada();
    /// let ada: &TokenUser = who.user().unwrap();
    /// assert_eq!(ada.groups, ["editors"]);
    /// ```
    pub fn user<U: Account>(&self) -> Option<&U> {
        let account: &dyn Any = self.known.account();
        account.downcast_ref()
    }

    /// Waits for the end of the session, from now on, for what goes on for longer than a request: a
    /// WebSocket, a stream of events, a download. It is ready when the session is ended by
    /// somebody: a logout, a new password, an operator, a theft; and when so much has ended that
    /// nobody can say whether it is among them. Then end the stream; whoever comes back shows a
    /// token again.
    ///
    /// Call it at once: an ending is remembered for as long as an access token lives. A session
    /// whose time is over ends nothing by itself. Where nobody hears of endings it is never ready.
    ///
    /// ```
    /// use countersign_verify::Identity;
    ///
    /// # async fn next_line() -> Option<String> { None }
    /// # async fn send(_: String) {}
    /// async fn stream(who: Identity) {
    ///     let mut ended = who.ended();
    ///     loop {
    ///         tokio::select! {
    ///             () = &mut ended => return,
    ///             Some(line) = next_line() => send(line).await,
    ///             else => return,
    ///         }
    ///     }
    /// }
    /// ```
    pub fn ended(&self) -> Ended {
        match self.known.revocations() {
            Some(revocations) => revocations.ended_since(self.claims().sid, self.doubts),
            None => Ended::never(),
        }
    }

    /// When the request came, in whole seconds since 1970, by the clock that its token was checked
    /// with.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # let who = world::ada();
    /// let logged_in_ago = who.at() - who.claims().auth_time;
    /// assert_eq!(logged_in_ago, 600);
    /// ```
    pub fn at(&self) -> u64 {
        self.at
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("sub", &self.claims().sub)
            .field("sid", &self.claims().sid)
            .finish_non_exhaustive()
    }
}

/// What is attached to a remembered token and leads to its user.
///
/// ```
/// use std::sync::Arc;
///
/// use countersign_verify::{Account, HasAccount, TokenUser};
///
/// /// What our service remembers with each token.
/// struct Remembered {
///     user: Arc<TokenUser>,
///     quota: u64,
/// }
///
/// impl HasAccount for Remembered {
///     fn account(&self) -> &dyn Account {
///         &*self.user
///     }
/// }
/// ```
pub trait HasAccount: Send + Sync + 'static {
    /// The user.
    fn account(&self) -> &dyn Account;

    /// Where the ends of sessions are heard of, for [`Identity::ended`].
    fn revocations(&self) -> Option<&Revocations> {
        None
    }
}

impl HasAccount for TokenUser {
    fn account(&self) -> &dyn Account {
        self
    }
}

trait Known: Send + Sync {
    fn claims(&self) -> &Claims;
    fn account(&self) -> &dyn Account;
    fn revocations(&self) -> Option<&Revocations>;
}

impl<T: HasAccount> Known for Seen<T> {
    fn claims(&self) -> &Claims {
        &self.claims
    }

    fn account(&self) -> &dyn Account {
        self.attached.account()
    }

    fn revocations(&self) -> Option<&Revocations> {
        self.attached.revocations()
    }
}
