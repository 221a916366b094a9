use bytes::Bytes;
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{BodyExt, Full};

/// A body that a refusal can be written into. The layers stand before any service whose answers
/// have such a body; implement it for your own.
///
/// ```
/// use countersign_verify::ResponseBody;
///
/// /// The body of a service of our own.
/// enum MyBody {
///     Bytes(Vec<u8>),
///     File(std::fs::File),
/// }
///
/// impl ResponseBody for MyBody {
///     fn from_bytes(bytes: Vec<u8>) -> Self {
///         Self::Bytes(bytes)
///     }
/// }
/// ```
pub trait ResponseBody {
    /// The body with these bytes.
    fn from_bytes(bytes: Vec<u8>) -> Self;
}

#[cfg(feature = "axum")]
impl ResponseBody for axum_core::body::Body {
    fn from_bytes(bytes: Vec<u8>) -> Self {
        bytes.into()
    }
}

#[cfg(feature = "tonic")]
impl ResponseBody for tonic::body::Body {
    fn from_bytes(bytes: Vec<u8>) -> Self {
        Self::new(Full::new(Bytes::from(bytes)))
    }
}

impl ResponseBody for Full<Bytes> {
    fn from_bytes(bytes: Vec<u8>) -> Self {
        Self::new(bytes.into())
    }
}

impl<E> ResponseBody for BoxBody<Bytes, E> {
    fn from_bytes(bytes: Vec<u8>) -> Self {
        Self::new(Full::new(Bytes::from(bytes)).map_err(|never| match never {}))
    }
}

impl<E> ResponseBody for UnsyncBoxBody<Bytes, E> {
    fn from_bytes(bytes: Vec<u8>) -> Self {
        Self::new(Full::new(Bytes::from(bytes)).map_err(|never| match never {}))
    }
}

impl ResponseBody for Vec<u8> {
    fn from_bytes(bytes: Vec<u8>) -> Self {
        bytes
    }
}

impl ResponseBody for Bytes {
    fn from_bytes(bytes: Vec<u8>) -> Self {
        bytes.into()
    }
}
