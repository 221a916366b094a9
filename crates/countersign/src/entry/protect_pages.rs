//! Pages that the server renders: a browser that follows a link sends cookies and nothing else.

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use countersign_verify::{Identity, Permission, Protect};

use super::issue::Access;
use super::rotate::{Shows, rotate, within_limit};
use crate::auth::Auth;
use crate::http::answer::Refusal;
use crate::http::device;
use crate::http::fields::read_on;
use crate::http::form_token;
use crate::http::guard;
use crate::http::page::{self, CsrfField, FoundInCookies, InCookies, LoginPage, Renewal};
use crate::http::peer::Peer;
use crate::http::problem::Code;
use crate::http::refresh_token::{Sent, refresh_cookie, sessions_of, unclear};
use crate::permission::IsAuthenticated;
use crate::session::Transport;
use crate::session::device::DeviceBinding;
use crate::web::next_page::NextPage;

impl Auth {
    /// As [`protect`](Self::protect), for pages that the server renders: the browser's cookies let
    /// in, whoever must log in first is sent to `login_page`, with the way back in `next`, and a
    /// form that writes brings a [`CsrfField`](crate::http::CsrfField). `Authorization` counts for
    /// nothing here.
    ///
    /// # Panics
    /// When `login_page` is no path of this origin, or devices are bound by
    /// [`Enforce`](crate::session::device::DeviceBinding::Enforce): browsers prove them to the
    /// endpoints alone. At start, with a sentence that says so.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::{Router, response::Html, routing::get};
    /// use countersign::CurrentUser;
    /// use countersign::http::CsrfField;
    /// use countersign::user::User;
    ///
    /// async fn account(me: CurrentUser<User>, csrf: CsrfField) -> Html<String> {
    ///     let user = me.id;
    ///     format!("<form method=post>User {user} {csrf} <button>Close</button></form>").into()
    /// }
    ///
    /// async fn close(me: CurrentUser<User>) -> String {
    ///     format!("User {} is no more.", me.id)
    /// }
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let pages = Router::new().route("/account", get(account).post(close));
    /// let app: Router = auth.protect_pages("/login", pages).merge(auth.routes());
    /// # let (status, _) = world::get(&app, "/account", None).await;
    /// assert_eq!(status, 303); // nobody is logged in: to /login?next=%2Faccount
    /// # });
    /// ```
    pub fn protect_pages<S: Clone + Send + Sync + 'static>(
        &self,
        login_page: &str,
        router: Router<S>,
    ) -> Router<S> {
        self.protect_pages_with(IsAuthenticated, login_page, router)
    }

    /// As [`protect_pages`](Self::protect_pages), for who has `permission`.
    ///
    /// # Panics
    /// As `protect_pages`, and when the parts of the permission contradict each other.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::{Router, routing::get};
    /// use countersign::permission::AllowAny;
    /// use countersign::{CurrentUser, user::User};
    ///
    /// async fn front(me: Option<CurrentUser<User>>) -> String {
    ///     me.map_or("Log in.".to_owned(), |me| format!("Hello, {}.", me.username))
    /// }
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let front = Router::new().route("/", get(front));
    /// let app: Router = auth.protect_pages_with(AllowAny, "/login", front);
    /// # assert_eq!(world::get(&app, "/", None).await, (200, "Log in.".to_owned()));
    /// # });
    /// ```
    pub fn protect_pages_with<S: Clone + Send + Sync + 'static>(
        &self,
        permission: impl Permission,
        login_page: &str,
        router: Router<S>,
    ) -> Router<S> {
        let Some(login_page) = NextPage::parse(login_page) else {
            panic!("the login page {login_page:?} is no path of this origin, such as \"/login\"")
        };
        assert!(
            self.checked().device_binding != DeviceBinding::Enforce,
            "protect_pages does not go together with device_binding = enforce: browsers prove \
             their device to the endpoints alone; choose observe"
        );
        let pages = Pages { auth: self.clone(), login_page };
        let find = from_fn(move |request, next| pages.clone().answer(request, next));
        router.layer((find, Protect::with(FoundInCookies, permission)))
    }
}

/// What stands before pages.
#[derive(Clone)]
struct Pages {
    auth: Auth,
    login_page: NextPage,
}

impl Pages {
    async fn answer(self, request: Request, next: Next) -> Response {
        let (mut parts, body) = read_on(request).await.into_parts();
        let login = LoginPage::of(&parts, &self.login_page);
        parts.extensions.remove::<CsrfField>();
        let (Entered { who, renewal }, body) = match self.enter(&mut parts, body).await {
            Ok(entered) => entered,
            Err(refusal) => {
                return page::finished(refusal.into_response(), login, Renewal::default());
            }
        };
        if let Some(who) = &who {
            let token = self.auth.csrf_tokens().token(who.claims().sid);
            parts.extensions.insert(CsrfField::new(token));
        }
        parts.extensions.insert(InCookies(who));
        let answer = next.run(Request::from_parts(parts, body)).await;
        page::finished(answer, login, renewal)
    }

    /// Who it is, and whether they may write where they do; and the body as it was.
    async fn enter(&self, parts: &mut Parts, body: Body) -> Result<(Entered, Body), Refusal> {
        if page::is_fetched_by_another_site(&parts.headers) {
            return Ok((Entered::default(), body));
        }
        if page::is_write(parts) {
            guard::source(&self.auth, &parts.headers)?;
        }
        let entered = match self.find(parts).await {
            Ok(entered) => entered,
            // Whose session has ended is nobody: some pages are for them too.
            Err(refusal) => {
                let renewal = Renewal { cookies: refusal.or_nobody()?, offer: None };
                Entered { who: None, renewal }
            }
        };
        let body = match &entered.who {
            Some(who) if page::sends(parts) => {
                form_token::check(&self.auth, parts, body, who.claims().sid).await?
            }
            _ => body,
        };
        Ok((entered, body))
    }

    /// By the access token in the page's cookie, which counts beside the refresh cookie of the same
    /// session; by the refresh cookie where that token is over.
    async fn find(&self, parts: &mut Parts) -> Result<Entered, Refusal> {
        let (auth, cookies) = (&self.auth, &self.auth.checked().cookies);
        let sessions = sessions_of(auth, &cookies.refresh_of(&parts.headers));
        if sessions.is_empty() {
            return Ok(Entered::default());
        }
        for token in cookies.pages_of(&parts.headers) {
            match auth.verify(token).await {
                // A native session's token has no CSRF token to go with it.
                Ok(who) if who.claims().csrf.is_some() && sessions.contains(&who.claims().sid) => {
                    return Ok(Entered { who: Some(who), renewal: Renewal::default() });
                }
                Err(problem) if problem.code() == Code::Unavailable => return Err(problem.into()),
                Ok(_) | Err(_) => {}
            }
        }
        self.renew(parts).await
    }

    async fn renew(&self, parts: &mut Parts) -> Result<Entered, Refusal> {
        let auth = &self.auth;
        let claims = match refresh_cookie(auth, &parts.headers).await? {
            Sent::Nothing => return Ok(Entered::default()),
            Sent::Unclear => return Err(unclear(auth)),
            Sent::One(token) => auth.refresh_tokens().verify(token, auth.seconds())?,
        };
        let (now, session) = (auth.now(), claims.sid);
        let shown = device::shown(auth, &parts.headers, session);
        within_limit(auth, session, shown, now)?;
        let Ok(peer) = Peer::from_request_parts(parts, auth).await;
        let shows = Shows { claims, transport: Transport::Cookie, shown, proved_by: None };
        let refreshed = rotate(auth, &peer, shows, now).await?;
        let csrf_token = auth.csrf_tokens().token(session);
        let access = Access {
            user: &**refreshed.user,
            session,
            authentication: refreshed.authentication,
            is_bound: refreshed.is_bound,
            csrf_token: Some(&csrf_token),
            now,
        };
        let token = access.sign_for_a_page(auth)?;
        let who = auth.verify(&token).await?;
        let mut cookies = refreshed.issued.cookies;
        cookies.push(auth.checked().cookies.set_page(&token, auth.settings().access_lifetime));
        let renewal = Renewal { cookies, offer: refreshed.offer };
        Ok(Entered { who: Some(who), renewal })
    }
}

/// Who it is, if anybody, and the cookies that they get.
#[derive(Default)]
struct Entered {
    who: Option<Identity>,
    renewal: Renewal,
}
