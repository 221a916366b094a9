//! `POST /manage/v1/users/bulk`: up to 1,000 users as JSON lines, and an answer a line.

use std::collections::{BTreeSet, HashMap};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use countersign::http::{
    BODY_LIMIT, Code, NotWhole, Problem, is_no_other_charset, is_plain, parse_fields, whole_body,
};
use countersign::user::{Email, UserId, Username, fold, fold_address};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::asked::{NoQuery, idempotency_key};
use super::caller::Caller;
use super::create::make;
use super::shown::NO_STORE;
use super::state::Manage;
use crate::admin::rules::Permit;
use crate::operate::people::Sent;

/// What came of a line.
#[derive(Serialize, ToSchema)]
pub(super) struct LineAnswer {
    /// Which line, from 1.
    line: usize,
    /// The status that the user alone would have been answered with.
    #[schema(example = 201)]
    status: u16,
    /// The id of the user who was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    id: Option<UserId>,
    /// Their login name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    username: Option<String>,
    /// With `invite`, where no mail is sent: the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    link: Option<String>,
    /// Why none was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    problem: Option<Value>,
}

#[utoipa::path(
    post,
    path = "/manage/v1/users/bulk",
    tag = "users",
    summary = "Make up to 1,000 users",
    description = "Each line is what `POST /manage/v1/users` takes; empty lines are left out. Each \
        user is made by themselves: a line that does not do keeps no other from it. Of lines with \
        the same user name or address the first that does wins. The answers come in the order of \
        the lines.",
    params(("Idempotency-Key" = Option<String>, Header, description = "Counts for each line by its \
        number: the same body may be sent again")),
    request_body(content = String, content_type = "application/x-ndjson", description = "JSON \
        lines, up to 4 MiB, each up to 64 KiB"),
    responses((status = 200, description = "An answer a line", content_type =
        "application/x-ndjson", body = LineAnswer)),
    security(("bearer" = [])),
)]
pub(super) async fn bulk(
    State(manage): State<Manage>,
    caller: Caller,
    _: NoQuery,
    request: Request<Body>,
) -> Result<Response, Problem> {
    caller.needs(Permit::AddUser)?;
    let key = idempotency_key(request.headers())?.map(str::to_owned);
    let body = read(&manage, request).await?;
    let lines: Vec<(usize, Bytes)> = (1..)
        .zip(body.split(|byte| *byte == b'\n'))
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(number, line)| (number, body.slice_ref(line)))
        .take(MOST_LINES + 1)
        .collect();
    if lines.len() > MOST_LINES {
        return Err(Problem::new(Code::PayloadTooLarge)
            .detail(format!("At most {MOST_LINES} lines at a time. Nothing was done.")));
    }
    caller.still(&manage).await?;
    let caller = std::sync::Arc::new(caller);
    let mut turns = Turns::default();
    let answers = stream::iter(lines).map(move |(number, line)| {
        let (manage, caller, key) = (manage.clone(), caller.clone(), key.clone());
        let turn = turns.take(&line);
        async move {
            let _until_answered = turn.come().await;
            let answer = one(&manage, &caller, number, &line, key.as_deref()).await;
            let mut text = serde_json::to_vec(&answer).unwrap_or_default();
            text.push(b'\n');
            Ok::<_, std::convert::Infallible>(Bytes::from(text))
        }
    });
    let body = Body::from_stream(answers.buffered(TOGETHER));
    let headers =
        [(CONTENT_TYPE, axum::http::HeaderValue::from_static(KIND)), (CACHE_CONTROL, NO_STORE)];
    Ok((headers, body).into_response())
}

/// Who goes first of lines that want the same name or address. Which of two transactions at the
/// same time wins is chance, so the later line waits until the one before it is answered.
#[derive(Default)]
struct Turns {
    /// The last line that wants it. It is over once its sender is dropped.
    last: HashMap<String, watch::Receiver<()>>,
}

struct Turn {
    before: Vec<watch::Receiver<()>>,
    mine: watch::Sender<()>,
}

impl Turns {
    /// To be called for the lines in their order.
    fn take(&mut self, line: &[u8]) -> Turn {
        let (mine, end) = watch::channel(());
        let before = wanted(line)
            .into_iter()
            .filter_map(|name| self.last.insert(name, end.clone()))
            .collect();
        Turn { before, mine }
    }
}

impl Turn {
    /// Waits for the lines before. Whoever waits for this one waits until what comes is dropped.
    async fn come(self) -> watch::Sender<()> {
        for mut line in self.before {
            // Nothing is ever sent: it ends with the sender.
            while line.changed().await.is_ok() {}
        }
        self.mine
    }
}

/// What a line wants for itself alone. A user name may not be somebody else's address, so each
/// stands here as a name is compared and as an address is.
fn wanted(line: &[u8]) -> BTreeSet<String> {
    #[derive(Deserialize)]
    struct Names {
        username: Option<String>,
        email: Option<String>,
    }
    if line.len() > BODY_LIMIT {
        return BTreeSet::new();
    }
    // A line that cannot be read makes nobody.
    let Ok(names) = serde_json::from_slice::<Names>(line) else { return BTreeSet::new() };
    let mut wanted = BTreeSet::new();
    if let Some(text) = names.username
        && let Ok(name) = Username::parse(&text)
    {
        wanted.extend([name.folded(), fold_address(name.as_str())]);
    }
    if let Some(text) = names.email
        && let Ok(address) = Email::parse(&text)
    {
        wanted.extend([fold(text.trim()), fold_address(address.as_str())]);
    }
    wanted
}

async fn one(
    manage: &Manage,
    caller: &Caller,
    number: usize,
    line: &[u8],
    key: Option<&str>,
) -> LineAnswer {
    let key = key.map(|key| format!("{key} {number}"));
    let made = async {
        if line.len() > BODY_LIMIT {
            return Err(Problem::new(Code::PayloadTooLarge)
                .detail(format!("A line has at most {BODY_LIMIT} bytes.")));
        }
        // Its session may have ended while the lines before were done.
        caller.still(manage).await?;
        make(manage, caller, parse_fields(line)?, key.as_deref()).await
    };
    match made.await {
        Ok((record, sent)) => LineAnswer {
            line: number,
            status: 201,
            id: Some(record.user.id),
            username: Some(record.user.username),
            link: match sent {
                Some(Sent::ByHand(link)) => Some(link),
                _ => None,
            },
            problem: None,
        },
        Err(problem) => {
            let answer = problem.to_http::<Vec<u8>>();
            LineAnswer {
                line: number,
                status: answer.status().as_u16(),
                id: None,
                username: None,
                link: None,
                problem: serde_json::from_slice(answer.body()).ok(),
            }
        }
    }
}

/// The whole body: a client that writes on while nobody reads its answers would wait for ever.
async fn read(manage: &Manage, request: Request<Body>) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(Code::PayloadTooLarge)
            .detail(format!("The body is larger than {} MiB.", MOST_BYTES / 1024 / 1024))
    };
    let headers = request.headers();
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let mut parts = kind.split(';').map(str::trim);
    let is_lines = parts.next().is_some_and(|kind| {
        [KIND, "application/jsonl"].iter().any(|known| kind.eq_ignore_ascii_case(known))
    });
    if !(is_lines && parts.all(is_no_other_charset) && is_plain(headers)) {
        return Err(Problem::new(Code::UnsupportedMediaType)
            .detail("Send JSON lines as `application/x-ndjson`, without a Content-Encoding."));
    }
    let length =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > MOST_BYTES) {
        return Err(too_large());
    }
    match whole_body(request.into_body(), MOST_BYTES, manage.settings.body_timeout).await {
        Ok(body) => Ok(body),
        Err(NotWhole::TooLarge) => Err(too_large()),
        Err(not_whole) => Err(not_whole.into()),
    }
}

const KIND: &str = "application/x-ndjson";
const MOST_LINES: usize = 1_000;
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Users who are made at the same time: they share the store's transactions.
const TOGETHER: usize = 64;
