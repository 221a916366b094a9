//! Logs: for people on a terminal, JSON lines elsewhere; always on standard error, never with a
//! token, a cookie or a password.
//!
//! Nobody waits for the log. Lines go through a bounded queue to a thread of their own; what cannot
//! be written is counted, and told when writing works again.

mod queue;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_log::{AsLog, LogTracer};

pub(crate) use queue::Fate;
use queue::Queue;

use crate::config::{Config, ConfigError, LogFormat, LogSettings};

/// The log of this process, begun.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    queue: Queue,
    fate: Arc<Fate>,
}

impl Log {
    /// Begins to log as configured.
    ///
    /// # Errors
    /// A format or a filter that there is not.
    pub(crate) fn start(config: &Config) -> Result<Self, ConfigError> {
        let LogSettings { filter, format } = config.log()?;
        let json = match format {
            LogFormat::Json => true,
            LogFormat::Text => false,
            LogFormat::Auto => !io::stderr().is_terminal(),
        };
        let fate = Arc::new(Fate::default());
        let queue = Queue::start(io::stderr(), Arc::clone(&fate));
        let writer = queue.clone();
        // It would tell on standard error of a line that it cannot write, and panic where nobody
        // reads that.
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(move || writer.clone())
            .log_internal_errors(false);
        let subscriber: Dispatch = if json {
            builder
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false)
                .finish()
                .into()
        } else {
            builder.with_ansi(io::stderr().is_terminal()).with_target(false).finish().into()
        };
        // It is the first of this process.
        let _ = tracing::dispatcher::set_global_default(subscriber);
        take_lines_of_libraries();
        let log = Self { queue, fate };
        log.take_panics();
        Ok(log)
    }

    /// What became of the lines, and how many panics there were.
    pub(crate) fn fate(&self) -> Arc<Fate> {
        Arc::clone(&self.fate)
    }

    /// Waits until what was logged is written, but not for a reader that stands still.
    pub(crate) fn flush(&self) {
        self.queue.flush(FLUSH_WITHIN);
    }

    /// A panic is told in the log, by its place alone: its message may quote what a client sent.
    fn take_panics(&self) {
        let fate = Arc::clone(&self.fate);
        std::panic::set_hook(Box::new(move |panic| {
            fate.panics.inc();
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let thread = std::thread::current();
            tracing::error!(
                place,
                thread = thread.name().unwrap_or_default(),
                "a job panicked; it failed, and the server goes on"
            );
        }));
    }
}

/// Takes in what libraries say by way of `log`, but for the driver of PostgreSQL: at `debug` it
/// says which values a statement carries, and those are hashes, and whatever was typed as a name.
/// No filter lets it through, since one may name a span and so let everything through that happens
/// in it.
fn take_lines_of_libraries() {
    let most = LevelFilter::current().as_log();
    let _ = LogTracer::builder().with_max_level(most).ignore_crate("tokio_postgres").init();
}

/// How long the end waits for the log.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);
