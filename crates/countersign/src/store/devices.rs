//! The devices that sessions are bound to.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::session::SessionId;
use crate::session::device::DeviceKind;

/// What is asked of a store about the devices of sessions. Each operation is one conditional
/// statement.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::session::SessionId;
/// use countersign::session::device::DeviceKind;
/// use countersign::store::{DeviceOffer, DeviceStore};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let now = world::midnight();
/// let offer = DeviceOffer {
///     session: SessionId::new(7).unwrap(),
///     kind: DeviceKind::Dbsc,
///     key: "a key".to_owned(),
///     challenge_at: now,
///     is_confirmed: false,
///     window: std::time::Duration::from_secs(30),
///     now,
/// };
/// // There is no such session.
/// assert!(!store.offer_device(offer).await.unwrap());
/// # });
/// ```
#[async_trait]
pub trait DeviceStore: Send + Sync {
    /// Keeps a key for a live session, where
    /// [`takes_key`](crate::session::device::Device::takes_key) says so; whether it did.
    async fn offer_device(&self, offer: DeviceOffer) -> Result<bool, StoreError>;

    /// Notes a proof of a live session's key, and uses its challenge up, where
    /// [`takes_proof`](crate::session::device::Device::takes_proof) says so; whether it did. The
    /// key is confirmed by it where
    /// [`is_confirmed_by`](crate::session::device::Device::is_confirmed_by) says so.
    async fn prove_device(&self, proof: DeviceProof) -> Result<bool, StoreError>;
}

/// A key that a session is to be bound to. The signature is verified.
///
/// ```
/// use countersign::session::SessionId;
/// use countersign::session::device::DeviceKind;
/// use countersign::store::DeviceOffer;
///
/// # let now = jiff::Timestamp::UNIX_EPOCH;
/// // A native client signs with its login: it has what it is told, or no session.
/// let offer = DeviceOffer {
///     session: SessionId::new(7).unwrap(),
///     kind: DeviceKind::Dpop,
///     key: "a key".to_owned(),
///     challenge_at: now,
///     is_confirmed: true,
///     window: std::time::Duration::from_secs(30),
///     now,
/// };
/// ```
#[derive(Debug, Clone)]
pub struct DeviceOffer {
    /// Which session.
    pub session: SessionId,
    /// How the device proves itself.
    pub kind: DeviceKind,
    /// Its public key.
    pub key: String,
    /// When the challenge was made that it signed.
    pub challenge_at: Timestamp,
    /// Whether the key counts at once.
    pub is_confirmed: bool,
    /// How far apart two requests of one honest client may be.
    pub window: Duration,
    /// The time of the request.
    pub now: Timestamp,
}

/// A proof of a session's key. The signature is verified.
///
/// ```
/// use countersign::session::SessionId;
/// use countersign::store::DeviceProof;
///
/// # let now = jiff::Timestamp::UNIX_EPOCH;
/// let proof = DeviceProof {
///     session: SessionId::new(7).unwrap(),
///     key: "a key".to_owned(),
///     challenge_at: now,
///     window: std::time::Duration::from_secs(30),
///     now,
/// };
/// ```
#[derive(Debug, Clone)]
pub struct DeviceProof {
    /// Which session.
    pub session: SessionId,
    /// By which key.
    pub key: String,
    /// When the challenge was made that it signed.
    pub challenge_at: Timestamp,
    /// How far apart two requests of one honest client may be.
    pub window: Duration,
    /// The time of the request.
    pub now: Timestamp,
}
