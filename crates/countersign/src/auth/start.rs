//! How an [`Auth`] starts: settings, keys, the feed, and the tasks that go on.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use countersign_verify::{Revocations, Verifier};
use tokio::sync::watch;

use super::attempts::Attempts;
use super::catch_up::{CLOCKS_APART, FeedLag, READ_AT_ONCE, follow};
use super::doubt::Doubt;
use super::events::Events;
use super::factor_tries::FactorTries;
use super::feed::Feed;
use super::keys::open_ring;
use super::lapsed::let_registrations_go;
use super::maintenance::{Forgotten, maintain};
use super::post::Post;
use super::readiness::Pulse;
use super::registration::RegistrationHooks;
use super::revocation_list::RevocationList;
use super::schemas::Schemas;
use super::settings::{Checked, Settings};
use super::unattended::Unattended;
use super::users::look_at_passwords;
use super::{Auth, Inner, StartError};
use crate::clock::{Clock, OnceAMinute, Random, random_bytes, seconds};
use crate::factor::passkey::{Passkeys, Site};
use crate::factor::recovery::RecoveryHasher;
use crate::factor::seal::FactorSeal;
use crate::mail::worker::{PAUSE, Sender, Worker, is_over, over};
use crate::mail::{MailTemplates, Mailer, SealError};
use crate::own_table::OwnTable;
use crate::password::{Judge, Passwords};
use crate::store::Store;
use crate::supervise::kept_up;
use crate::throttle::{AskLimit, RefreshLimit};
use crate::token::csrf::CsrfTokens;
use crate::token::device::DeviceTokens;
use crate::token::pending::PendingTokens;
use crate::token::proof::{Challenges, Tickets};
use crate::token::ticket::TicketTokens;
use crate::token::{CodeHasher, RefreshTokens, Secrets};
use crate::user::{Attached, UserCache};
use crate::user_directory::UserDirectory;

/// What [`Auth`] starts from.
pub(super) struct Start {
    pub(super) settings: Settings,
    pub(super) secrets: Secrets,
    pub(super) store: Arc<dyn Store>,
    pub(super) users: Option<OwnTable>,
    pub(super) events: Arc<dyn Events>,
    pub(super) registration: Arc<dyn RegistrationHooks>,
    pub(super) judge: Judge,
    pub(super) passwords: Option<Passwords>,
    pub(super) user_schemas: Option<Schemas>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) mailer: Option<Arc<dyn Mailer>>,
    pub(super) mail_templates: MailTemplates,
}

pub(super) async fn start(start: Start) -> Result<Auth, StartError> {
    let Start {
        settings,
        secrets,
        store,
        users,
        events,
        registration,
        judge,
        passwords,
        user_schemas,
        clock,
        random,
        mailer,
        mail_templates,
    } = start;
    let checked = settings.check()?;
    let now = clock.now();
    // Read before the keys and the users, so that whatever changes meanwhile is read again.
    let since = now
        .saturating_sub(settings.access_lifetime + CLOCKS_APART)
        .map_err(|error| StartError::Clock(error.to_string()))?;
    let (cursor, is_doubtful) = match store.cursor_at(since, READ_AT_ONCE).await? {
        Some(cursor) => (cursor, false),
        None => (store.cursor_now().await?, true),
    };
    let ring = open_ring(&settings, &secrets, &*store, &*clock, &*random).await?;
    let verifier =
        Verifier::new(checked.issuer.clone(), settings.audience.clone(), ring.key_set(), 0)
            .within(settings.token_cache_bytes, Attached::weight)
            .no_longer_than(settings.access_lifetime.as_secs());
    let refresh_tokens = refresh_tokens(&settings, &checked, &secrets);
    let post = Arc::new(Post::new(&secrets, &settings, mailer.is_some())?);
    let sender = Sender::new(
        settings.accounts.mail_from.as_deref(),
        settings.accounts.mail_reply_to.as_deref(),
        &post.site,
    );
    let auth = Auth(Arc::new(Inner {
        passwords: match passwords {
            Some(pool) => pool,
            None => Passwords::new(settings.hash)?,
        },
        attempts: Attempts::new(settings.throttle, &secrets),
        refresh_limit: RefreshLimit::new(settings.session_refreshes_per_minute),
        proved_refresh_limit: RefreshLimit::new(settings.session_refreshes_per_minute),
        csrf_tokens: CsrfTokens::new(&secrets),
        device_tokens: DeviceTokens::new(&secrets),
        tickets: Tickets::new(&secrets),
        ticket_tokens: TicketTokens::new(&secrets),
        ticket_limit: RefreshLimit::new(TICKETS_PER_MINUTE),
        challenges: Challenges::new(&secrets),
        refresh_tokens,
        post,
        languages: languages(&mail_templates),
        code_hasher: CodeHasher::new(&secrets),
        pending_tokens: PendingTokens::new(&secrets),
        factor_tries: FactorTries::default(),
        recovery_hasher: RecoveryHasher::new(&secrets),
        factor_seal: FactorSeal::new(&secrets).map_err(|_| SealError)?,
        passkeys: passkeys(&settings, &checked, &secrets),
        asks: AskLimit::new(settings.accounts.asks_per_address, settings.accounts.asks_per_hour),
        prompts: AskLimit::new(settings.accounts.asks_per_address.saturating_mul(PROMPTS), 0),
        revocations: Revocations::default(),
        doubt: Doubt::default(),
        user_cache: UserCache::new(USERS_REMEMBERED),
        feed: Feed::starting_at(cursor, u64::from_be_bytes(random_bytes(&*random))),
        revocation_list: RevocationList::default(),
        refused_origins: OnceAMinute::default(),
        unattended: Unattended::default(),
        unknown_clients: AtomicBool::default(),
        forgotten: Forgotten::default(),
        lag: FeedLag::beginning(seconds(now)),
        pulse: Pulse::default(),
        stops_mail: watch::Sender::new(false),
        users: users.map_or_else(|| UserDirectory::Own(Arc::clone(&store)), UserDirectory::Custom),
        events,
        registration,
        judge,
        user_schemas,
        settings,
        checked,
        store,
        clock,
        random,
        ring,
        verifier,
        secrets,
    }));
    // Where the clock is ahead now and comes back, there was more to read than was read.
    auth.0.forgotten.forgot_before(seconds(since));
    if is_doubtful {
        auth.doubt_what_is_known();
    }
    auth.catch_up().await?;
    auth.0.passwords.note_kinds(&auth.0.users.password_kinds().await?);
    // Each on its own: an ending must not wait for what deletes old rows, nor that for an app's
    // own users.
    let (inner, store) = (Arc::downgrade(&auth.0), Arc::clone(&auth.0.store));
    tokio::spawn(async move {
        kept_up("following the feed", || follow(inner.clone(), Arc::clone(&store))).await;
    });
    let inner = Arc::downgrade(&auth.0);
    tokio::spawn(async move { kept_up("maintenance", || maintain(inner.clone())).await });
    let inner = Arc::downgrade(&auth.0);
    tokio::spawn(async move {
        kept_up("looking at passwords", || look_at_passwords(inner.clone())).await;
    });
    let inner = Arc::downgrade(&auth.0);
    tokio::spawn(async move {
        kept_up("letting registrations go", || let_registrations_go(inner.clone())).await;
    });
    if let Some(mailer) = mailer {
        let worker = Arc::new(Worker {
            store: Arc::clone(&auth.0.store),
            mailer,
            templates: mail_templates,
            seal: Arc::clone(&auth.0.post.seal),
            clock: Arc::clone(&auth.0.clock),
            sender,
            tally: Arc::clone(&auth.0.post.tally),
            stopping: auth.0.stops_mail.subscribe(),
            untold: Mutex::default(),
        });
        tokio::spawn(async move {
            kept_up("sending mail", || send_mail(Arc::clone(&worker))).await;
        });
    }
    Ok(auth)
}

/// Sends what waits in the outbox. Ends when it is told to, and with the last [`Auth`].
async fn send_mail(worker: Arc<Worker<dyn Store>>) {
    let mut stopping = worker.stopping.clone();
    while !is_over(&stopping) {
        let wait = match worker.turn().await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(%error, "the outbox cannot be read or written; trying again");
                PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = over(&mut stopping) => {}
        }
    }
    worker.tell_what_is_untold().await;
}

/// What mails are written in: English first, which is spoken to who asks for nothing of it.
fn languages(templates: &MailTemplates) -> Vec<String> {
    let others = templates.languages().filter(|language| *language != ENGLISH);
    std::iter::once(ENGLISH).chain(others).map(str::to_owned).collect()
}

/// Passkeys, where the public URL has a domain.
fn passkeys(settings: &Settings, checked: &Checked, secrets: &Secrets) -> Option<Passkeys> {
    let server = settings.server_name(&checked.issuer);
    let site = Site {
        server: &server,
        rp_id: checked.passkey_rp_id.as_deref(),
        name: settings.public_url.host_str().unwrap_or_default(),
        url: &settings.public_url,
        origins: &checked.passkey_origins,
    };
    Passkeys::new(&site, secrets)
}

/// The refresh tokens of this instance.
fn refresh_tokens(settings: &Settings, checked: &Checked, secrets: &Secrets) -> RefreshTokens {
    match settings.instance.as_deref() {
        Some("") => RefreshTokens::new(secrets),
        Some(name) => RefreshTokens::of_instance(secrets, name),
        None => {
            let name = settings
                .audience
                .iter()
                .fold(checked.issuer.clone(), |name, audience| name + " " + audience);
            RefreshTokens::of_instance(secrets, &name).or_nameless(secrets)
        }
    }
}

/// It is built in.
const ENGLISH: &str = "en";

/// So many passkeys may a client ask for where it may ask for one mail.
const PROMPTS: u32 = 60;

/// Tickets of one session in a minute. A page opens its streams anew after each failure.
const TICKETS_PER_MINUTE: u32 = 120;

/// About 500 bytes each.
const USERS_REMEMBERED: usize = 65_536;
