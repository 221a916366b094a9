//! The composition root: makes the store, the auth, the recorder, the counts, the admin site and
//! the demo page, in that order, and serves them together.

use std::sync::Arc;

use axum::Router;
use countersign::Auth;
use countersign::events::{Event, Events};
use countersign::session::device::Unproved;
use countersign::sign_in::FactorKind;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::admin::{Admin, Limits};
use crate::command_error::CommandError;
use crate::config::{MailWay, ServeConfig};
use crate::hooks::Hooks;
use crate::logs::Log;
use crate::manage::Manage;
use crate::operate::Operator;
use crate::operate::check::{missing_groups, nobody_is_in, nobody_registers};
use crate::operate::restore::tokens_brought_back;
use crate::record::{Recorder, Retention};
use crate::serve::{
    ConsoleMailer, Counts, Demo, DemoLinks, Listeners, Mailbox, Pages, account_pages, serve,
};
use crate::services::{Context, Services, Wanted};

/// How to start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StartOptions {
    /// After a backup was restored that was made at this time: what may have been cut off since is
    /// cut off.
    pub(crate) after_restore: Option<Timestamp>,
    /// Whether to begin with an empty database although there was one before.
    pub(crate) anew: bool,
}

/// Serves until a signal comes.
///
/// # Errors
/// An address that cannot be listened on, a database or a secret that cannot be used.
pub(crate) async fn run(
    context: &Context,
    mut parts: ServeConfig,
    start: StartOptions,
    log: &Log,
) -> Result<(), CommandError> {
    // First of all: where the port is taken, nothing is made.
    let listeners = Listeners::bind(&parts.options).await?;
    if parts.settings.public_url.port() == Some(0) {
        let _ = parts.settings.public_url.set_port(Some(listeners.address()?.port()));
    }
    let config = context.config.clone();
    tokio::task::spawn_blocking(move || config.check_breached_file())
        .await
        .map_err(|error| CommandError::new(error.to_string()))??;
    let services = Services::open(context, Wanted::UpToDate { anew: start.anew }).await?;
    let secrets = services.secrets().await?;
    if let Some(backup) = start.after_restore {
        after_restore(&services, backup).await?;
    }
    let is_empty = services.store.users(None, 1).await?.is_empty();
    for group in missing_groups(&*services.store, &parts.settings.sign_in.second_factor).await? {
        tracing::warn!("second_factor: {}", nobody_is_in(&group));
    }
    let counts = Counts::new(&log.fate())?;
    let (recorder, writer) = Recorder::start(
        services.store.clone(),
        services.clock.clone(),
        Retention { audit_keep: parts.audit_keep, session_idle: parts.settings.session_idle },
    );
    let mut builder = Auth::builder_on(services.store.clone())
        .settings(parts.settings.clone())
        .secrets(secrets)
        .mail_templates(services.config.mail_templates()?);
    for list in services.config.breached_lists()? {
        builder = builder.breached_passwords(list);
    }
    let mut mailbox = None;
    match services.config.mail_way()? {
        MailWay::Nowhere if nobody_registers(&parts.settings.accounts) => tracing::warn!(
            "nobody can register: no mail is sent, so no address can be proved; set mail_url, or \
             email_verification = none"
        ),
        MailWay::Nowhere => {}
        MailWay::Console if parts.demo && services.config.is_on_localhost()? => {
            let kept = Mailbox::default();
            mailbox = Some(kept.clone());
            let mailer = ConsoleMailer::after(listeners.announced());
            let mailer = mailer.keeping(kept, Arc::clone(&services.clock));
            builder = builder.mailer(Arc::new(mailer));
        }
        MailWay::Console => {
            builder = builder.mailer(Arc::new(ConsoleMailer::after(listeners.announced())));
        }
        MailWay::By(mailer) | MailWay::Into(mailer, _) => builder = builder.mailer(mailer),
    }
    let hooks = Hooks::start(parts.hooks, &services.store, &services.clock).await?;
    let auth = builder.events(Fanout(counts.clone(), recorder.clone())).build().await?;
    let admin = match parts.admin {
        Some(limits) => {
            let limits = Limits {
                idle: limits.idle,
                absolute: limits.absolute,
                body: parts.settings.body_timeout,
                session_idle: parts.settings.session_idle,
            };
            Some(
                Admin::new(
                    auth.clone(),
                    services.clone(),
                    parts.settings.clone(),
                    recorder,
                    limits,
                )
                .await?,
            )
        }
        None => None,
    };
    let (stops, stopping) = watch::channel(false);
    let manage = match parts.manage {
        true => {
            let (auth, services) = (auth.clone(), services.clone());
            Some(Manage::new(auth, services, &parts.settings, stopping).await?)
        }
        false => None,
    };
    let beside = DemoLinks { docs: parts.options.docs, admin: admin.is_some() };
    let demo = if parts.demo {
        Some(Demo::new(auth.clone(), &parts.settings, beside, mailbox)?)
    } else {
        None
    };
    if is_empty {
        tracing::info!(
            data_dir = %services.config.data_dir().display(),
            link_on_standard_output = admin.is_some(),
            "there is no user yet; make one with `countersign createsuperuser` or \
             `countersign user create`, with the same --data-dir"
        );
    }
    let listen = parts.options.listen;
    if !listen.ip().is_loopback() && !parts.options.https {
        tracing::warn!(%listen, "listening beyond this machine with an http:// public_url: \
            cookies are not Secure; put https before it and set public_url");
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let log = log.clone();
    let stop = async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        // Who follows something waits for no end of it.
        stops.send_replace(true);
        // A second signal is a wish not to wait.
        tokio::spawn(async move {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            log.flush();
            std::process::exit(130);
        });
    };
    let account = Some(account_pages(&auth, &parts.settings));
    let pages = [admin.as_ref().map(Admin::routes), demo.as_ref().map(Demo::routes), account];
    let pages = pages.into_iter().flatten().fold(Router::new(), Router::merge);
    let invitation = admin.as_ref().and_then(Admin::first_user_link);
    let pages = Pages {
        routes: pages,
        paths: if manage.is_some() { Manage::paths() } else { Vec::new() },
        manage,
        invitation,
    };
    serve(auth.clone(), pages, &counts, listeners, parts.options, stop).await?;
    // Before the log is closed: what they did is to have its lines.
    if !auth.unattended_ended(CLOSE_WITHIN).await {
        tracing::warn!("some requests whose clients had gone did not end in time");
    }
    writer.finish().await;
    tokio::join!(hooks.finish(), auth.finish_mail());
    if tokio::time::timeout(CLOSE_WITHIN, services.store.close()).await.is_err() {
        tracing::warn!(
            "the database's log could not be emptied in time; the next start \
            finds everything in it"
        );
    }
    tracing::info!("stopped");
    Ok(())
}

/// Ends what a restored backup brought back, and says what an operator has to look at.
async fn after_restore(services: &Services, backup: Timestamp) -> Result<(), CommandError> {
    let ended = Operator::shell(services).after_restore(services, backup).await?;
    tracing::info!(
        sessions = ended.sessions,
        admin_sessions = ended.admin_sessions,
        links = ended.links,
        %backup,
        "ended the sessions and the mailed links of the restored backup, and cut its signing keys \
         off; ids of users and groups go on after a gap"
    );
    let tokens = tokens_brought_back(services, backup).await?;
    if !tokens.is_empty() {
        let named = tokens.iter().take(NAMED_AT_MOST).map(|token| token.who().to_string());
        tracing::warn!(
            count = tokens.len(),
            tokens = named.collect::<Vec<_>>().join(", "),
            "service tokens of the restored backup count again, those too that were revoked since; \
             `countersign token list` shows them, `countersign token revoke` ends one"
        );
    }
    Ok(())
}

/// Tells both of every event.
#[derive(Debug)]
struct Fanout(Counts, Recorder);

macro_rules! fan_out {
    ($($method:ident),+ $(,)?) => {
        impl Events for Fanout {
            $(fn $method(&self, event: &Event<'_>) {
                self.0.$method(event);
                self.1.$method(event);
            })+

            fn on_login_failed(&self, event: &Event<'_>, login: &str) {
                self.0.on_login_failed(event, login);
                self.1.on_login_failed(event, login);
            }

            fn on_unproved(&self, event: &Event<'_>, why: Unproved, is_refused: bool) {
                self.0.on_unproved(event, why, is_refused);
                self.1.on_unproved(event, why, is_refused);
            }

            fn on_factor_added(&self, event: &Event<'_>, kind: FactorKind) {
                self.0.on_factor_added(event, kind);
                self.1.on_factor_added(event, kind);
            }

            fn on_factor_removed(&self, event: &Event<'_>, kind: FactorKind) {
                self.0.on_factor_removed(event, kind);
                self.1.on_factor_removed(event, kind);
            }
        }
    };
}

fan_out!(
    on_login,
    on_throttled,
    on_refresh,
    on_race,
    on_device_bound,
    on_logout,
    on_logout_all,
    on_theft,
    on_password_changed,
    on_registered,
    on_email_verified,
    on_deletion_asked,
    on_restored,
    on_recovery_code_used,
    on_recovery_codes_made,
    on_passkey_copied,
);

/// Service tokens that a line of the log names.
const NAMED_AT_MOST: usize = 50;

/// How long the end waits for the database's log to be emptied.
const CLOSE_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);
