//! Who calls: a program with a service token, or somebody of the staff with an access token. A
//! cookie is nobody.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use countersign::Identity;
use countersign::http::{Code, Problem, bearer};
use countersign::store::admin::Rule;
use countersign::token::{SecretHash, ServiceToken};
use countersign::user::User;
use countersign::web::client_address::client_address;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use super::asked::body;
use super::state::{Manage, Seen, not_good};
use crate::admin::rules::{Permit, may};
use crate::operate::Operator;

/// Whoever calls, with what they may at this moment.
#[derive(Debug)]
pub(super) struct Caller {
    by: By,
    ip: IpAddr,
    shown: Shown,
}

#[derive(Debug)]
enum By {
    Service(Arc<Seen>),
    Staff(Box<User>, Identity),
}

/// What they show, to be asked about once more.
#[derive(Debug, Clone)]
enum Shown {
    Service(SecretHash),
    Access(SecretString),
}

impl Caller {
    /// The operator whom the rules are asked of.
    pub(super) fn user(&self) -> &User {
        match &self.by {
            By::Service(seen) => &seen.token.operator,
            By::Staff(user, _) => user,
        }
    }

    /// Refuses a caller who may not do this.
    ///
    /// # Errors
    /// A 403 that names the permission.
    pub(super) fn needs(&self, permit: Permit) -> Result<(), Problem> {
        if may(self.user(), permit) {
            return Ok(());
        }
        let name = permit.name();
        let whose = match self.by {
            By::Service(_) => "which the service token does not have, or its maker",
            By::Staff(..) => "which you do not have",
        };
        Err(Problem::new(Code::PermissionDenied)
            .detail(format!("This needs the permission {name}, {whose}.")))
    }

    /// The operator in whose name it is done, now. The store asks the rule once more in the
    /// transaction.
    ///
    /// # Errors
    /// A 401 for somebody of the staff whose login is older than the settings say: what the admin
    /// site asks the password for again.
    pub(super) fn operator<'a>(
        &self,
        manage: &'a Manage,
        rule: Rule,
    ) -> Result<Operator<'a>, Problem> {
        let (store, now) = (&*manage.services.store, manage.now());
        Ok(match &self.by {
            By::Service(seen) => Operator::service(store, &seen.token.row, self.ip, now),
            By::Staff(user, identity) => {
                let most = manage.settings.accounts.recent_login.as_secs();
                let now_seconds = u64::try_from(now.as_second()).unwrap_or(0);
                if now_seconds.saturating_sub(identity.claims().auth_time) > most {
                    return Err(Problem::recent_login_required(most));
                }
                Operator::staff(store, user.id, self.ip, now)
            }
        }
        .who(rule))
    }

    /// The body as this type, while the caller is one still: a body may take its time.
    ///
    /// # Errors
    /// Whatever is wrong with the body, or with the caller by now.
    pub(super) async fn body<T: DeserializeOwned>(
        &self,
        manage: &Manage,
        request: Request<Body>,
    ) -> Result<T, Problem> {
        let asked = body(manage, request).await?;
        self.still(manage).await?;
        Ok(asked)
    }

    /// Refuses who has ended since: a body may take its time, and so may the one before it.
    ///
    /// # Errors
    /// As when the request came.
    pub(super) async fn still(&self, manage: &Manage) -> Result<(), Problem> {
        self.again(manage).await.map(|_| ())
    }

    /// The same, and who may not do this by now. A service token whose time ends while the body
    /// travels counts: it was in time when the request came.
    ///
    /// # Errors
    /// As when the request came.
    pub(super) async fn still_needs(&self, manage: &Manage, permit: Permit) -> Result<(), Problem> {
        match &self.by {
            By::Service(seen) if manage.is_unchanged(seen)? => self.needs(permit),
            _ => self.again(manage).await?.needs(permit),
        }
    }

    /// The same with what they may by now.
    ///
    /// # Errors
    /// As when the request came.
    pub(super) async fn again(&self, manage: &Manage) -> Result<Self, Problem> {
        let by = match &self.by {
            By::Service(seen) if manage.is_fresh(seen)? => By::Service(Arc::clone(seen)),
            _ => Self::who(manage, &self.shown, self.ip).await?,
        };
        Ok(Self { by, ip: self.ip, shown: self.shown.clone() })
    }

    async fn who(manage: &Manage, shown: &Shown, ip: IpAddr) -> Result<By, Problem> {
        let access = match shown {
            Shown::Access(token) => token.expose_secret(),
            Shown::Service(hash) => {
                let seen = manage.token(*hash).await?;
                if may_come_from(&seen, ip) {
                    return Ok(By::Service(seen));
                }
                let row = &seen.token.row;
                tracing::warn!(
                    token = row.id,
                    name = row.name,
                    %ip,
                    "a service token was shown from where it may not be used: was it stolen?"
                );
                return Err(Problem::new(Code::PermissionDenied)
                    .detail("This service token may not be used from here."));
            }
        };
        let identity = manage.auth.verify(access).await?;
        let account = identity.account();
        if !account.is_staff() {
            return Err(Problem::new(Code::PermissionDenied)
                .detail("Only staff, and programs with a service token, manage users."));
        }
        let user = manage.services.store.user_by_id(account.id()).await?;
        let user = user.filter(|user| user.is_active && user.is_staff);
        let user = user.ok_or_else(|| Problem::new(Code::UserInactive))?;
        Ok(By::Staff(Box::new(user), identity))
    }
}

impl FromRequestParts<Manage> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, manage: &Manage) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        // Without a connection to ask it comes from nowhere that a token is good for.
        let peer = peer.map_or(IpAddr::V4([0, 0, 0, 0].into()), |connection| connection.0.ip());
        Self::of(manage, &parts.headers, peer).await
    }
}

impl Caller {
    /// Who calls, by the headers of a request, from `peer` or through it.
    ///
    /// # Errors
    /// A 401 for nobody, a 403 for who may not call.
    pub(super) async fn of(
        manage: &Manage,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<Self, Problem> {
        let shown = bearer(headers)?.ok_or_else(|| Problem::new(Code::NotAuthenticated))?;
        // Through trusted proxies only.
        let ip = client_address(peer, headers, &manage.settings.trusted_proxies);
        let shown = if ServiceToken::is_meant_by(shown) {
            let hash = ServiceToken::hash_of(shown);
            match manage.token_at_hand(&hash)? {
                Some(seen) if may_come_from(&seen, ip) => {
                    return Ok(Self { by: By::Service(seen), ip, shown: Shown::Service(hash) });
                }
                _ => Shown::Service(ServiceToken::parse(shown).ok_or_else(not_good)?.hash()),
            }
        } else {
            Shown::Access(SecretString::from(shown.to_owned()))
        };
        Ok(Self { by: Self::who(manage, &shown, ip).await?, ip, shown })
    }
}

/// Whether a token is good in the network of this address.
fn may_come_from(seen: &Seen, ip: IpAddr) -> bool {
    let networks = &seen.token.row.networks;
    networks.is_empty() || networks.iter().any(|network| network.contains(&ip))
}
