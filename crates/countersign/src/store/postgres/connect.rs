//! Connections: the URL with its TLS settings, the pool, and the listener for changes.

use std::fs::File;
use std::io::{BufReader, Read};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Connect, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::hosts::{Hosts, Reached};

use crate::store::StoreError;
use crate::store::failure::Failure;
use crate::supervise::{caught_async, fault_point};

/// Where the database is, and how to speak with it.
#[derive(Clone)]
pub(super) struct Address {
    hosts: Arc<Hosts>,
}

impl Address {
    /// Reads a URL. Beyond what libpq's URLs say it takes `sslmode` of `verify-ca` and
    /// `verify-full`, and `sslrootcert`. `connect_timeout` is for each host, as libpq has it.
    pub(super) fn parse(url: &str) -> Result<Self, Failure> {
        Self::parse_in(url, None)
    }

    /// The same, with everything in a schema, whose name is good.
    pub(super) fn parse_in(url: &str, schema: Option<&str>) -> Result<Self, Failure> {
        let bad =
            |error: String| StoreError::Failed(format!("the database URL cannot be used: {error}"));
        let (rest, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut kept, mut mode, mut roots) = (Vec::new(), "prefer".to_owned(), None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", word)) => word.clone_into(&mut mode),
                Some(("sslrootcert", path)) => {
                    roots = Some(path.replace("%2F", "/").replace("%2f", "/"));
                }
                _ => kept.push(pair),
            }
        }
        let mut config: Config = format!("{rest}?{}", kept.join("&"))
            .parse()
            .map_err(|error: tokio_postgres::Error| bad(super::message_of(&error)))?;
        let verification = match mode.as_str() {
            "disable" => Verification::None,
            "prefer" | "require" if roots.is_none() => Verification::None,
            "prefer" | "require" | "verify-ca" => Verification::Chain,
            "verify-full" => Verification::Full,
            other => {
                return Err(bad(format!(
                    "there is no sslmode {other:?}; choose disable, prefer, require, verify-ca or \
                     verify-full"
                ))
                .into());
            }
        };
        config.ssl_mode(match mode.as_str() {
            "disable" => SslMode::Disable,
            "prefer" => SslMode::Prefer,
            _ => SslMode::Require,
        });
        let says = |name: &str| {
            query.split('&').any(|pair| pair.split_once('=').is_some_and(|(key, _)| key == name))
        };
        config.application_name("countersign");
        if !says("target_session_attrs") {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        } else if config.get_target_session_attrs() == TargetSessionAttrs::ReadOnly {
            return Err(bad(
                "every login writes, so target_session_attrs cannot be read-only; leave it out"
                    .to_owned(),
            )
            .into());
        }
        // A machine that is lost is noticed although it says nothing.
        if !says("keepalives_idle") {
            config.keepalives_idle(Duration::from_secs(5));
        }
        if !says("keepalives_interval") {
            config.keepalives_interval(Duration::from_secs(2));
        }
        if !says("keepalives_retries") {
            config.keepalives_retries(3);
        }
        if !says("tcp_user_timeout") {
            config.tcp_user_timeout(Duration::from_secs(10));
        }
        let options = options(config.get_options(), schema);
        config.options(options);
        let wants_any = config.get_target_session_attrs() == TargetSessionAttrs::Any;
        let tls = MakeRustlsConnect::new(tls(verification, roots.as_deref()).map_err(bad)?);
        Ok(Self { hosts: Arc::new(Hosts::new(&config, tls, wants_any)) })
    }

    /// A pool of connections, none of which is opened yet.
    pub(super) fn pool(&self, size: usize) -> Result<Pool, Failure> {
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        // The settings are in `hosts`, one for each.
        let manager = Manager::from_connect(Config::new(), self.clone(), manager);
        let create = self.hosts.longest() + Duration::from_millis(100);
        let timeouts =
            Timeouts { wait: Some(POOL_TIMEOUT), create: Some(create), recycle: Some(create) };
        Pool::builder(manager)
            .max_size(size)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Failed(error.to_string()).into())
    }

    /// A connection of its own, outside the pool.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        Ok(self.reach().await?.drive().0)
    }

    async fn reach(&self) -> Result<Reached, Failure> {
        self.hosts.reach().await.map_err(|error| {
            error.map_or_else(super::no_answer, |error| super::store_error(&error)).undone().into()
        })
    }

    /// Listens for changes until the store is gone, and notifies at each, and whenever one may have
    /// been missed. A notice that nobody waits for is kept for the next who does: what is announced
    /// while the one before is being read is not found a second later only.
    pub(super) async fn listen(self, notifier: Arc<Notify>) {
        while Arc::strong_count(&notifier) > 1 {
            if let Ok(Err(Failure(error))) = caught_async(self.listen_once(&notifier)).await {
                tracing::debug!(%error, "the database does not announce changes now; they are \
                    found by looking every second");
            }
            notifier.notify_one();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn listen_once(&self, notifier: &Arc<Notify>) -> Result<(), Failure> {
        let Reached { client, line: mut connection, server } = self.reach().await?;
        let weak = Arc::downgrade(notifier);
        // Dropped with this function, however it ends.
        let mut listener = JoinSet::new();
        listener.spawn(async move {
            while let Some(Ok(message)) =
                std::future::poll_fn(|context| connection.poll_message(context)).await
            {
                match (message, weak.upgrade()) {
                    (AsyncMessage::Notification(_), Some(notifier)) => notifier.notify_one(),
                    (_, Some(_)) => {}
                    (_, None) => return,
                }
            }
        });
        in_time(client.batch_execute("LISTEN countersign")).await?;
        fault_point("listening");
        // What happened before is found by whoever looks now.
        notifier.notify_one();
        let mut replaced = pin!(server.until_replaced());
        while Arc::strong_count(notifier) > 1 {
            tokio::select! {
                _ = listener.join_next() => {
                    return Err(StoreError::Failed("the connection was cut".to_owned()).into());
                }
                () = &mut replaced => {
                    return Err(StoreError::Failed("another server answers now".to_owned()).into());
                }
                // One that was cut without a word is found out by asking, and so is a server that
                // froze: then another may be in its place, which is found by connecting anew.
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    in_time(client.batch_execute("")).await?;
                }
            }
        }
        Ok(())
    }
}

/// What each connection is set to. What the URL says comes later, and so wins; what it does not say
/// stays. Said to be empty, there are none of ours: a pooler may take none.
fn options(theirs: Option<&str>, schema: Option<&str>) -> String {
    let mut options = match theirs {
        None => OPTIONS.to_owned(),
        Some("") => String::new(),
        Some(theirs) => format!("{OPTIONS} {theirs}"),
    };
    if let Some(schema) = schema {
        options.push_str(" -c search_path=");
        options.push_str(schema);
    }
    options
}

impl Connect for Address {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<
        Box<
            dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>>
                + Send
                + '_,
        >,
    > {
        Box::pin(async {
            match self.hosts.reach().await {
                Ok(reached) => Ok(reached.drive()),
                Err(Some(error)) => Err(error),
                // The driver's errors cannot be made: the pool says that it took too long.
                Err(None) => std::future::pending().await,
            }
        })
    }
}

async fn in_time<T>(
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failure> {
    let answer =
        tokio::time::timeout(EAR_PATIENCE, asked).await.map_err(|_| super::no_answer().undone())?;
    answer.map_err(|error| super::store_error(&error).undone().into())
}

#[derive(Clone, Copy)]
enum Verification {
    /// Encrypted against listeners, not against an impostor, as libpq has it for `prefer` and
    /// `require`.
    None,
    /// The certificate must come from a trusted authority.
    Chain,
    /// And it must name the host.
    Full,
}

fn tls(verification: Verification, roots: Option<&str>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let verifier = match verification {
        Verification::Full => {
            return Ok(builder.with_root_certificates(trusted(roots)?).with_no_client_auth());
        }
        Verification::Chain => Some(
            WebPkiServerVerifier::builder_with_provider(
                Arc::new(trusted(roots)?),
                Arc::clone(&provider),
            )
            .build()
            .map_err(|error| error.to_string())?,
        ),
        Verification::None => None,
    };
    let verifier = Arc::new(Lenient { verifier, provider });
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// The authorities of a file, or of the machine.
fn trusted(roots: Option<&str>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    match roots {
        Some(path) => {
            let mut pem = Vec::new();
            let refused = |error: &dyn std::fmt::Display| format!("sslrootcert {path}: {error}");
            File::open(path)
                .and_then(|file| BufReader::new(file).read_to_end(&mut pem))
                .map_err(|error| refused(&error))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                store
                    .add(certificate.map_err(|error| refused(&error))?)
                    .map_err(|error| refused(&error))?;
            }
            if store.is_empty() {
                return Err(refused(&"there is no certificate in it"));
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(store)
}

/// Does what `sslmode` below `verify-full` asks for.
#[derive(Debug)]
struct Lenient {
    /// Checks the chain; `None` to check nothing.
    verifier: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(verifier) = &self.verifier else { return Ok(ServerCertVerified::assertion()) };
        match verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            // The chain is checked before the name.
            Err(rustls::Error::InvalidCertificate(
                rustls::CertificateError::NotValidForName
                | rustls::CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// How long the listener waits for an answer to nothing.
const EAR_PATIENCE: Duration = Duration::from_secs(2);

/// What each connection is set to, unless the URL says otherwise.
const OPTIONS: &str = "-c statement_timeout=5000 -c idle_in_transaction_session_timeout=10000";

/// How long an operation waits for a connection.
const POOL_TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says_is_added_to_what_each_connection_is_set_to() {
        assert_eq!(options(None, None), OPTIONS);
        assert_eq!(options(Some(""), None), "", "a pooler may take none");
        let own = options(Some("-c work_mem=8MB"), Some("auth"));
        assert_eq!(own, format!("{OPTIONS} -c work_mem=8MB -c search_path=auth"));
    }
}
