//! Compact JWS (RFC 7515, 3.1) by aws-lc-rs, named here and nowhere else.
//!
//! The functions of `jsonwebtoken` ask for a provider of the whole process. Where another crate of
//! the app turns on a second one, there is none, and they panic; where the app installs one of its
//! own, it would sign our tokens. So neither is asked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, Header, decode_header};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The compact form of `claims`, with the signature that `sign` makes of header and claims.
///
/// # Errors
/// What `sign` says, and claims that are no JSON.
pub fn encode<T, S, E>(
    header: &Header,
    claims: &T,
    sign: impl FnOnce(&[u8]) -> Result<S, E>,
) -> Result<String, E>
where
    T: Serialize,
    S: AsRef<[u8]>,
    E: From<serde_json::Error>,
{
    let mut token = String::with_capacity(TOKEN_BYTES);
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(header)?, &mut token);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims)?, &mut token);
    let signature = sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

/// Checks the signature, by this algorithm and no other, and reads header and claims. Times, types
/// and names are the caller's to check.
///
/// # Errors
/// For what is no token, of another algorithm, or not signed by this key.
pub fn decode<T: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
) -> Result<(Header, T), Error> {
    decode_by(token, algorithm, |message, signature| {
        let verifier = (DEFAULT_PROVIDER.verifier_factory)(&algorithm, key)?;
        verifier.verify(message, &signature).map_err(|_| ErrorKind::InvalidSignature.into())
    })
}

/// The same where the caller has what checks a signature at hand, as one that is read from its key
/// once: `is_signed` gets header and claims, and the signature.
///
/// # Errors
/// What `is_signed` says, and for what is no token or of another algorithm.
pub fn decode_by<T: DeserializeOwned>(
    token: &str,
    algorithm: Algorithm,
    is_signed: impl FnOnce(&[u8], Vec<u8>) -> Result<(), Error>,
) -> Result<(Header, T), Error> {
    let header = decode_header(token)?;
    if header.alg != algorithm {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    let (message, signature) = token.rsplit_once('.').ok_or(ErrorKind::InvalidToken)?;
    let claims = message.split_once('.').ok_or(ErrorKind::InvalidToken)?.1;
    is_signed(message.as_bytes(), bytes(signature)?)?;
    Ok((header, serde_json::from_slice(&bytes(claims)?)?))
}

/// Room for a token of the usual size.
const TOKEN_BYTES: usize = 512;

fn bytes(part: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| ErrorKind::InvalidToken.into())
}
