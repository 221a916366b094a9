//! `/admin/`: how it goes. What happened over the last day, week or month; keys, versions and
//! sizes; and what `countersign check` would complain about.

use askama::Template;
use axum::extract::State;
use countersign::session::device::DeviceBinding;
use countersign::store::admin::Counted;
use jiff::{SignedDuration, Timestamp};

use crate::admin::gate::{Query, Staff};
use crate::admin::kit::chart::{Bar, Chart};
use crate::admin::kit::frame::Frame;
use crate::admin::kit::keys::{KeyRow, key_rows};
use crate::admin::kit::listing::{counted, unknown_choice};
use crate::admin::kit::page_error::{PageError, PageResult, shown};
use crate::admin::rules::{Permit, may};
use crate::admin::site::Admin;
use crate::operate::check::{Verdict, look};
use crate::operate::figures::{Figures, SPANS, Span, is_height};
use crate::operate::keys::KeyState;
use crate::text::{bytes, roughly, thousands};

pub(crate) async fn dashboard(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    let word = query.text("span");
    let span = SPANS
        .iter()
        .find(|span| span.word == word || word.is_empty())
        .ok_or_else(unknown_choice)?;
    let now = admin.clock.now();
    let sees_counts =
        may(&staff.user, Permit::ViewSession) || may(&staff.user, Permit::ViewAuditEvent);
    let charts = if sees_counts { charts(&admin, &staff, span, now).await? } else { Vec::new() };
    let keys = if may(&staff.user, Permit::ViewKey) {
        key_rows(&admin.store.keys().await?, now)
            .into_iter()
            .filter(|row| row.state != KeyState::Retired)
            .collect()
    } else {
        Vec::new()
    };
    // Only superusers see the state of the disk and the configuration.
    let body = if staff.user.is_superuser { Some(DashboardBody::new(&admin).await?) } else { None };
    shown(&DashboardPage {
        frame: staff.frame("/admin/", "Dashboard").saying(&query),
        spans: SPANS.iter().map(|own| (own.word, own.text, own.word == span.word)).collect(),
        charts,
        keys,
        body,
    })
}

async fn charts(
    admin: &Admin,
    staff: &Staff,
    span: &Span,
    now: Timestamp,
) -> Result<Vec<Chart>, PageError> {
    let figures = Figures::of(&*admin.store, span, now).await?;
    let labels: Vec<String> =
        figures.began.iter().map(|at| at.strftime(span.label).to_string()).collect();
    let chart = |(what, title, permit, href): CountedChart| {
        let bars: Vec<Bar> = labels
            .iter()
            .zip(figures.steps(what))
            .map(|(label, value)| Bar { label: label.clone(), value })
            .collect();
        let total = thousands(figures.total(what));
        let total = if is_height(what) { format!("{total} at most") } else { total };
        Chart::new(title, total, &bars).linked(may(&staff.user, permit).then_some(href))
    };
    // Browsers bind over https alone.
    let is_on = admin.settings.public_url.scheme() == "https"
        && admin.settings.device_binding != DeviceBinding::Off;
    let unproved = match admin.settings.device_binding {
        DeviceBinding::Enforce => REFUSED,
        _ => LET_IN,
    };
    let of_devices = [BOUND, unproved].into_iter().filter(|_| is_on);
    Ok(CHARTS.into_iter().chain(of_devices).map(chart).collect())
}

/// What is counted, what that is called, and where the things themselves are.
type CountedChart = (Counted, &'static str, Permit, &'static str);

const CHARTS: [CountedChart; 5] = [
    (Counted::Login, "Sign-ins", Permit::ViewAuditEvent, "/admin/audit/?kind=login"),
    (
        Counted::LoginFailed,
        "Failed sign-ins",
        Permit::ViewAuditEvent,
        "/admin/audit/?kind=login-failed",
    ),
    (Counted::ActiveSessions, "Live sessions", Permit::ViewSession, "/admin/sessions/?state=live"),
    (Counted::Refresh, "Refreshes", Permit::ViewSession, "/admin/sessions/"),
    (Counted::Theft, "Token thefts", Permit::ViewAuditEvent, "/admin/audit/?kind=theft"),
];

const BOUND: CountedChart =
    (Counted::DeviceBound, "Sessions bound to a device", Permit::ViewSession, "/admin/sessions/");
const LET_IN: CountedChart = (
    Counted::UnprovedLetIn,
    "Refreshes that enforce would refuse",
    Permit::ViewSession,
    "/admin/sessions/",
);
const REFUSED: CountedChart = (
    Counted::UnprovedRefused,
    "Refreshes without their device, refused",
    Permit::ViewSession,
    "/admin/sessions/",
);

/// The facts about the server, and what `countersign check` complains of.
struct DashboardBody {
    /// A name, what it is, and the way to it.
    facts: Vec<(&'static str, String, Option<&'static str>)>,
    complaints: Vec<(bool, String)>,
    fine: usize,
}

impl DashboardBody {
    async fn new(admin: &Admin) -> Result<Self, PageError> {
        let (sizes, stats) = (admin.store.sizes().await?, admin.auth.stats());
        let found = match look(&admin.services).await {
            Ok(found) => found,
            Err(failure) => vec![(Verdict::Fail, failure.sentence().to_owned())],
        };
        let up = admin.clock.now().duration_since(admin.started);
        let facts = vec![
            ("Version", env!("CARGO_PKG_VERSION").to_owned(), None),
            (
                "This node runs since",
                format!(
                    "{} ({})",
                    admin.started.strftime("%Y-%m-%d %H:%M:%S"),
                    roughly(up.max(SignedDuration::ZERO))
                ),
                None,
            ),
            ("Users", counted(sizes.users, "user", "users"), Some("/admin/users/")),
            (
                "Sessions",
                counted(sizes.sessions, "session, ended ones too", "sessions, ended ones too"),
                Some("/admin/sessions/"),
            ),
            ("Audit log", counted(sizes.audit, "line", "lines"), Some("/admin/audit/")),
            ("Database", bytes(sizes.bytes), None),
            (
                "Passwords waiting to be hashed",
                format!("{} of {} on this node", stats.hash_queue, admin.settings.hash.queue),
                None,
            ),
            ("Users in the cache", thousands(stats.users_cached as u64), None),
            ("Access tokens in the cache", thousands(stats.tokens_cached as u64), None),
        ];
        let fine = found.iter().filter(|(verdict, _)| *verdict == Verdict::Ok).count();
        let complaints = found
            .into_iter()
            .filter(|(verdict, _)| *verdict != Verdict::Ok)
            .map(|(verdict, what)| (verdict == Verdict::Fail, what));
        Ok(Self { facts, complaints: complaints.collect(), fine })
    }
}

#[derive(Template)]
#[template(path = "admin/dashboard.html")]
struct DashboardPage {
    frame: Frame,
    spans: Vec<(&'static str, &'static str, bool)>,
    charts: Vec<Chart>,
    keys: Vec<KeyRow>,
    body: Option<DashboardBody>,
}
