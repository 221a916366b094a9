//! Rotations that wait together, as one statement over arrays: one round trip and one `fsync` for
//! many.
//!
//! The decision is the pure one of [`session::rotation`](crate::session::rotation): rows are read,
//! decided on, and written only where they still are as they were read. A row that another node has
//! rotated meanwhile is read again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::columns::{get, micros};
use super::health::Health;
use super::live::Live;
use super::sessions::signed;
use super::theft::end;
use super::{PATIENCE, devices, no_answer};
use crate::session::device::DeviceStanding;
use crate::session::rotation::{Decision, RotationState};
use crate::session::{Authentication, Decided, SessionId, SessionRow, decide};
use crate::store::admin::steps::{rotation_line, stepped};
use crate::store::admin::{AuditKind, StepKind};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::address;
use crate::store::{Rotate, Rotation, StoreError};
use crate::supervise::{caught_async, fault_point};

/// Hands rotations to the tasks that do them.
pub(super) struct Rotations {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    rotate: Rotate,
    answer: oneshot::Sender<Result<Rotation, StoreError>>,
}

impl Rotations {
    pub(super) fn start(pool: &Pool, health: &Arc<Health>) -> Self {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
        let (late, held) = mpsc::channel(QUEUE);
        for _ in 0..TASKS {
            tokio::spawn(work(
                pool.clone(),
                Arc::clone(health),
                Arc::clone(&waiting),
                Some(late.clone()),
            ));
        }
        tokio::spawn(work(
            pool.clone(),
            Arc::clone(health),
            Arc::new(tokio::sync::Mutex::new(held)),
            None,
        ));
        Self { jobs }
    }

    pub(super) async fn run(&self, rotate: Rotate) -> Result<Rotation, StoreError> {
        let (answer, done) = oneshot::channel();
        self.jobs.try_send(Job { rotate, answer }).map_err(|_| StoreError::Busy)?;
        // Dropped without an answer: the connection gave none. A refresh that was done all the same
        // may be repeated, as after any answer that was lost.
        timeout(WAITS, done).await.map_err(|_| no_answer())?.map_err(|_| no_answer())?
    }

    /// The row as a refresh reads it.
    pub(super) async fn row_of(
        &self,
        client: &Object,
        id: SessionId,
    ) -> Result<Option<(SessionRow, Authentication)>, Failure> {
        let statement = client.prepare_cached(ROTATED).await?;
        let row = client.query_opt(&statement, &[&vec![id.get().cast_signed()]]).await?;
        let live = row.as_ref().map(Live::of).transpose()?;
        Ok(live.map(|live| (live.row, live.authentication)))
    }
}

/// Takes what waits and does it, until nobody can send any more. While one task does, the other
/// takes.
///
/// A row that somebody else holds is left to the task that takes what is `late`, which waits for
/// it: the others of a batch do not.
async fn work(
    pool: Pool,
    health: Arc<Health>,
    waiting: Arc<tokio::sync::Mutex<mpsc::Receiver<Job>>>,
    late: Option<mpsc::Sender<Job>>,
) {
    loop {
        let mut jobs = Vec::new();
        if waiting.lock().await.recv_many(&mut jobs, BATCH).await == 0 {
            return;
        }
        match pool.get().await {
            Ok(client) => {
                // Requests for one session are one after another, each on what the one before left.
                let mut rest: VecDeque<Job> = jobs.into();
                rest.retain(|job| !job.answer.is_closed());
                while !rest.is_empty() {
                    let (batch, mut later) = one_for_each_session(rest);
                    later.retain(|job| !job.answer.is_closed());
                    rest = later;
                    // A panic leaves the connection in the middle of something, as silence does.
                    let done = caught_async(timeout(
                        PATIENCE,
                        rotate_together(&client, &health, batch, late.as_ref()),
                    ))
                    .await;
                    if !matches!(done, Ok(Ok(()))) {
                        drop(Object::take(client));
                        break;
                    }
                }
            }
            Err(error) => {
                let error = super::not_lent(error);
                // Whoever waited meanwhile is told now, not each after another wait of its own.
                while let Ok(job) = waiting.lock().await.try_recv() {
                    jobs.push(job);
                }
                for job in jobs {
                    let _ = job.answer.send(Err(error.clone()));
                }
            }
        }
    }
}

fn one_for_each_session(jobs: VecDeque<Job>) -> (Vec<Job>, VecDeque<Job>) {
    let (mut seen, mut batch, mut later) =
        (std::collections::HashSet::new(), Vec::new(), VecDeque::new());
    for job in jobs {
        if seen.insert(job.rotate.session) { batch.push(job) } else { later.push_back(job) }
    }
    (batch, later)
}

/// Does a batch; what another node got at first is read again, by whoever takes what is `late`.
async fn rotate_together(
    client: &Object,
    health: &Health,
    mut batch: Vec<Job>,
    late: Option<&mpsc::Sender<Job>>,
) {
    fault_point("rotating");
    for _ in 0..ATTEMPTS {
        match attempt(client, batch, late.is_none()).await {
            Ok(again) if again.is_empty() => return,
            Ok(again) => match late {
                Some(late) => {
                    for refused in again.into_iter().filter_map(|job| late.try_send(job).err()) {
                        let _ = refused.into_inner().answer.send(Err(StoreError::Busy));
                    }
                    return;
                }
                None => batch = again,
            },
            Err((jobs, error)) => {
                health.note(&Err::<(), _>(error.clone()));
                for job in jobs {
                    let _ = job.answer.send(Err(error.clone()));
                }
                return;
            }
        }
    }
    for job in batch {
        let _ = job.answer.send(Err(StoreError::Busy));
    }
}

/// A rotation that the row must be written for.
struct Write {
    job: Job,
    granted: Rotation,
    old: RotationState,
    new: RotationState,
    /// The last refreshes, this one included.
    steps: Vec<u8>,
    /// What the audit log is told.
    line: Option<(AuditKind, String)>,
}

/// Does what can be done now, or, where it `waits`, when others let go of the rows; what is left.
async fn attempt(
    client: &Object,
    batch: Vec<Job>,
    waits: bool,
) -> Result<Vec<Job>, (Vec<Job>, StoreError)> {
    let mut rows = match read(client, &batch).await {
        Ok(rows) => rows,
        Err(Failure(error)) => return Err((batch, error.undone())),
    };
    let (mut writes, mut again) = (Vec::new(), Vec::new());
    let mut jobs = batch.into_iter();
    while let Some(job) = jobs.next() {
        let rotate = &job.rotate;
        let live = match rows.remove(&rotate.session.get().cast_signed()).transpose() {
            Ok(live) => live,
            Err(Failure(error)) => {
                // A newer program's row: its neighbours in the batch are none of its business.
                let _ = job.answer.send(Err(error));
                continue;
            }
        };
        let decided = decide(
            live.as_ref().map(|live| &live.row),
            &rotate.token,
            rotate.transport,
            &rotate.shown,
            rotate.now,
            rotate.window,
        );
        let Decided { row, decision, standing } = match decided {
            Ok(decided) => decided,
            Err(refused) => {
                let _ = job.answer.send(Ok(refused.into()));
                continue;
            }
        };
        let steps = live.as_ref().map_or(&[][..], |live| live.steps.as_slice());
        let authentication =
            live.as_ref().map_or(Authentication::since(row.created_at), |live| live.authentication);
        match decision {
            Decision::Mint { child, rule, state, event } => {
                let steps = stepped(steps, StepKind::of(rule), rotate.now);
                let granted = Rotation::Granted {
                    user_id: row.user_id,
                    created_at: row.created_at,
                    authentication,
                    expires_at: row.expires_at,
                    child,
                    event,
                    standing,
                };
                match state {
                    Some(new) => writes.push(Write {
                        job,
                        granted,
                        old: row.state,
                        new,
                        steps,
                        line: event.and_then(rotation_line),
                    }),
                    None => grant(client, job, granted).await,
                }
            }
            Decision::Reused if !waits => again.push(job),
            Decision::Reused => match end(client, rotate, row, steps).await {
                Ok(true) => {
                    let _ = job.answer.send(Ok(Rotation::Reused { user_id: row.user_id }));
                }
                Ok(false) => again.push(job),
                Err(Failure(error)) => {
                    let rest = std::iter::once(job)
                        .chain(jobs)
                        .chain(again)
                        .chain(writes.into_iter().map(|write| write.job));
                    return Err((rest.collect(), error));
                }
            },
        }
    }
    if writes.is_empty() {
        return Ok(again);
    }
    let written = match write(client, &writes, waits).await {
        Ok(written) => written,
        Err(Failure(error)) => {
            return Err((
                again.into_iter().chain(writes.into_iter().map(|write| write.job)).collect(),
                error,
            ));
        }
    };
    for write in writes {
        if written.contains(&write.job.rotate.session.get().cast_signed()) {
            grant(client, write.job, write.granted).await;
        } else {
            again.push(write.job);
        }
    }
    Ok(again)
}

/// Tells what was granted. A key is confirmed after its row was written: whoever held the row
/// before has let go of it.
async fn grant(client: &Object, job: Job, granted: Rotation) {
    if let Rotation::Granted { standing: DeviceStanding::Confirms { offered_at }, .. } = granted {
        // A refresh that cannot confirm is a refresh all the same.
        let Rotate { session, now, .. } = job.rotate;
        let id = session.get().cast_signed();
        if let Err(Failure(error)) = devices::confirm(client, id, offered_at, now).await {
            tracing::warn!(%error, %session, "a device was not confirmed; the next refresh does \
                it");
        }
    }
    let _ = job.answer.send(Ok(granted));
}

async fn read(
    client: &Object,
    batch: &[Job],
) -> Result<HashMap<i64, Result<Live, Failure>>, Failure> {
    let statement = client.prepare_cached(ROTATED).await?;
    let ids: Vec<i64> = batch.iter().map(|job| job.rotate.session.get().cast_signed()).collect();
    let rows = client.query(&statement, &[&ids]).await?;
    rows.iter().map(|row| Ok((get(row, "id")?, Live::of(row)))).collect()
}

/// What a refresh reads.
const ROTATED: &str =
    "SELECT id, user_id, created_at, expires_at, transport, revoked_at, revoked_reason,
         generation, current_jti, current_iat, current_since, race_credit, race_charged,
         mark_generation, mark_since, earlier_mark_generation, earlier_mark_since, steps,
         amr, auth_time, scope,
         device_key, device_kind, device_confirmed_at, device_proof_at
     FROM sessions WHERE id = ANY($1)";

/// The statement of [`write`]: the old and the new state of each row, in arrays.
macro_rules! write_rows {
    ($of_rows_that_are_held:literal) => {
        concat!(
            "WITH wanted AS (
                 SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[],
                     $5::smallint[], $6::bigint[],
                     $7::bigint[], $8::bytea[], $9::bigint[], $10::bigint[], $11::smallint[],
                     $12::bigint[], $13::bigint[], $14::bytea[],
                     $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[],
                     $19::text[], $20::text[], $21::text[])
                     AS w (id, old_generation, old_jti, old_since, old_credit, old_charged,
                         generation, jti, iat, since, credit, charged, used_at, steps,
                         mark_generation, mark_since, earlier_generation, earlier_since,
                         event, ip, detail)
), locked AS (
                 SELECT s.id FROM sessions s JOIN wanted w ON w.id = s.id
                 WHERE s.revoked_at IS NULL AND s.generation = w.old_generation
                     AND s.current_jti = w.old_jti AND s.current_since = w.old_since
                     AND s.race_credit = w.old_credit
                     AND s.race_charged IS NOT DISTINCT FROM w.old_charged
                 ORDER BY s.id FOR UPDATE OF s",
            $of_rows_that_are_held,
            "
             ), done AS (
                 UPDATE sessions s SET generation = w.generation, current_jti = w.jti,
                     current_iat = w.iat, current_since = w.since,
                     race_credit = w.credit, race_charged = w.charged,
                    last_used_at = w.used_at, steps = w.steps,
                     mark_generation = w.mark_generation, mark_since = w.mark_since,
                     earlier_mark_generation = w.earlier_generation,
                     earlier_mark_since = w.earlier_since
                 FROM wanted w WHERE w.id = s.id AND s.id IN (SELECT id FROM locked)
                 RETURNING s.id, s.user_id, w.used_at, w.event, w.ip, w.detail
             ), noted AS (
                 INSERT INTO audit_events (at, kind, user_id, session_id, ip, detail)
                 SELECT used_at, event, user_id, id, ip, detail FROM done WHERE event IS NOT NULL
             )
             SELECT id FROM done"
        )
    };
}

/// Writes the new states of those rows that are still as they were read; which they were. What an
/// operator should know is noted in the same statement.
async fn write(client: &Object, writes: &[Write], waits: bool) -> Result<Vec<i64>, Failure> {
    // Rows are locked in the order of the array: two nodes that write the same ones in one order
    // cannot lock each other out.
    let mut writes: Vec<&Write> = writes.iter().collect();
    writes.sort_by_key(|write| write.job.rotate.session.get().cast_signed());
    let sql = if waits { write_rows!("") } else { write_rows!(" SKIP LOCKED") };
    let statement = client.prepare_cached(sql).await?;
    macro_rules! column {
        ($of:expr) => {
            writes.iter().map(|write| $of(*write)).collect::<Vec<_>>()
        };
    }
    let charged = |state: &RotationState| state.race_charged.map(|generation| signed(generation.0));
    let rows = client
        .query(
            &statement,
            &[
                &column!(|w: &Write| w.job.rotate.session.get().cast_signed()),
                &column!(|w: &Write| signed(w.old.generation.0)),
                &column!(|w: &Write| w.old.current_jti.0.to_vec()),
                &column!(|w: &Write| signed(w.old.current_since)),
                &column!(|w: &Write| i16::from(w.old.race_credit)),
                &column!(|w: &Write| charged(&w.old)),
                &column!(|w: &Write| signed(w.new.generation.0)),
                &column!(|w: &Write| w.new.current_jti.0.to_vec()),
                &column!(|w: &Write| signed(w.new.current_iat)),
                &column!(|w: &Write| signed(w.new.current_since)),
                &column!(|w: &Write| i16::from(w.new.race_credit)),
                &column!(|w: &Write| charged(&w.new)),
                &column!(|w: &Write| micros(w.job.rotate.now)),
                &column!(|w: &Write| w.steps.clone()),
                &column!(|w: &Write| signed(w.new.mark.generation.0)),
                &column!(|w: &Write| signed(w.new.mark.since)),
                &column!(|w: &Write| signed(w.new.earlier_mark.generation.0)),
                &column!(|w: &Write| signed(w.new.earlier_mark.since)),
                &column!(|w: &Write| w.line.as_ref().map(|(kind, _)| kind.as_str())),
                &column!(|w: &Write| w.line.as_ref().and_then(|_| address(w.job.rotate.ip))),
                &column!(|w: &Write| w
                    .line
                    .as_ref()
                    .map_or_else(String::new, |(_, detail)| detail.clone())),
            ],
        )
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// How long a refresh waits for its turn and its answer.
const WAITS: Duration = Duration::from_secs(10);

/// Rotations that may wait before callers are told to come back.
const QUEUE: usize = 4096;

/// Rotations that share a statement at most.
const BATCH: usize = 256;

/// While the database does one batch, the next one gathers.
const TASKS: usize = 2;

/// So often another node may get at a row first.
const ATTEMPTS: usize = 10;
