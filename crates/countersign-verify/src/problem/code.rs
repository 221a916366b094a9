//! The words that say what went wrong, with the status and the sentence of each.

use http::StatusCode;

/// What went wrong, in a word that stays the same for ever.
///
/// ```
/// use countersign_verify::Code;
///
/// assert_eq!(Code::TokenExpired.as_str(), "token_expired");
/// assert!(Code::ALL.iter().all(|code| code.status().as_u16() >= 400));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// No credentials.
    NotAuthenticated,
    /// Credentials that are malformed, forged, of the wrong kind or given twice.
    TokenInvalid,
    /// An access token whose time is over.
    TokenExpired,
    /// A login that is too old for what is asked.
    RecentLoginRequired,
    /// The session was ended.
    SessionRevoked,
    /// The user was deactivated or deleted.
    UserInactive,
    /// A login that did not succeed, whatever the cause.
    InvalidCredentials,
    /// The first step of a login was right, and a second factor is asked for.
    SecondFactorRequired,
    /// A code that is wrong, or was used already.
    FactorInvalid,
    /// A login that waited for a second factor, and is over.
    PendingTokenInvalid,
    /// A second factor must be proved in this session.
    FactorRequired,
    /// A second factor must be enrolled before anything else.
    EnrolmentRequired,
    /// The session had its time.
    SessionExpired,
    /// No refresh token.
    RefreshTokenMissing,
    /// Not a refresh token of this server, or of the other kind of client.
    RefreshTokenInvalid,
    /// A refresh token whose time is over.
    RefreshTokenExpired,
    /// Two parties held this session's refresh tokens.
    RefreshTokenReused,
    /// The session is bound to a device, and nothing shows that the device is there.
    SessionUnproved,
    /// What was to prove a device proves nothing.
    DeviceProofInvalid,
    /// The device is to prove that it is there.
    DeviceProofRequired,
    /// The device's last proof is too old for what is asked.
    DeviceProofStale,
    /// The device could not prove itself now.
    DeviceProofSkipped,
    /// What a native client sent to prove its device proves nothing.
    InvalidDpopProof,
    /// A native client is to sign the server's challenge.
    UseDpopNonce,
    /// Known, and not allowed.
    PermissionDenied,
    /// A request that may have been forged by another site.
    CsrfFailed,
    /// Too many attempts.
    Throttled,
    /// A body that cannot be read.
    ParseError,
    /// A body whose fields are missing, too long or of the wrong type.
    ValidationError,
    /// A link or code of a mail that is unknown, used, too old, or for something else.
    LinkInvalid,
    /// The password was right, but the address must be proved first.
    EmailNotVerified,
    /// The password was right, but the user asked to be deleted. They can come back.
    DeletionPlanned,
    /// What the request is about was changed meanwhile.
    Conflict,
    /// No such path.
    NotFound,
    /// No such method on this path.
    MethodNotAllowed,
    /// A request that took too long to arrive.
    RequestTimeout,
    /// A body over the limit.
    PayloadTooLarge,
    /// A body of a type that is not understood.
    UnsupportedMediaType,
    /// A request whose head is not HTTP as it must be.
    BadRequest,
    /// The database or the hashing queue cannot take more work.
    Unavailable,
    /// A fault of ours.
    InternalError,
    /// A word of the app's own.
    Own(&'static OwnCode),
}

/// A code of the app's own, for what [`Code`] has no word for.
///
/// ```
/// use countersign_verify::{Code, OwnCode, Problem};
/// use http::StatusCode;
///
/// static DOMAIN: OwnCode = OwnCode {
///     status: StatusCode::FORBIDDEN,
///     code: "domain_not_allowed",
///     title: "Domain not allowed",
///     detail: "Only addresses of example.com may register.",
/// };
///
/// let answer = Problem::new(Code::Own(&DOMAIN)).to_http::<Vec<u8>>();
/// assert_eq!(answer.status(), 403);
/// let document: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
/// assert_eq!(document["code"], "domain_not_allowed");
/// assert_eq!(document["type"], "about:blank");
/// ```
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct OwnCode {
    /// The status: 400 or above.
    pub status: StatusCode,
    /// The word. Choose one that is not in [`Code::ALL`], and keep it.
    pub code: &'static str,
    /// The word in words.
    pub title: &'static str,
    /// What is wrong and what to do, unless [`detail`](crate::Problem::detail) says more.
    pub detail: &'static str,
}

impl Code {
    /// The word.
    ///
    /// ```
    /// assert_eq!(countersign_verify::Code::CsrfFailed.as_str(), "csrf_failed");
    /// ```
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The status.
    ///
    /// ```
    /// assert_eq!(countersign_verify::Code::Throttled.status(), 429);
    /// ```
    pub fn status(self) -> StatusCode {
        self.row().0
    }

    /// Every code of Countersign.
    pub const ALL: [Self; 41] = [
        Self::NotAuthenticated,
        Self::TokenInvalid,
        Self::TokenExpired,
        Self::RecentLoginRequired,
        Self::SessionRevoked,
        Self::UserInactive,
        Self::InvalidCredentials,
        Self::SecondFactorRequired,
        Self::FactorInvalid,
        Self::PendingTokenInvalid,
        Self::FactorRequired,
        Self::EnrolmentRequired,
        Self::SessionExpired,
        Self::RefreshTokenMissing,
        Self::RefreshTokenInvalid,
        Self::RefreshTokenExpired,
        Self::RefreshTokenReused,
        Self::SessionUnproved,
        Self::DeviceProofInvalid,
        Self::DeviceProofRequired,
        Self::DeviceProofStale,
        Self::DeviceProofSkipped,
        Self::InvalidDpopProof,
        Self::UseDpopNonce,
        Self::PermissionDenied,
        Self::CsrfFailed,
        Self::Throttled,
        Self::ParseError,
        Self::ValidationError,
        Self::LinkInvalid,
        Self::EmailNotVerified,
        Self::DeletionPlanned,
        Self::Conflict,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::BadRequest,
        Self::Unavailable,
        Self::InternalError,
    ];

    #[rustfmt::skip]
    pub(super) const fn row(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::NotAuthenticated => (S::UNAUTHORIZED, "not_authenticated", "Not authenticated", "Log in, and send the access token as `Authorization: Bearer`."),
            Self::TokenInvalid => (S::UNAUTHORIZED, "token_invalid", "Token invalid", "The access token is not valid."),
            Self::TokenExpired => (S::UNAUTHORIZED, "token_expired", "Token expired", "The access \
                token has expired. Refresh, and try again."),
            Self::RecentLoginRequired => (S::UNAUTHORIZED, "recent_login_required", "Recent login required", "This needs a fresh login: ask for the password, log in again, and repeat the request with the new token."),
            Self::SessionRevoked => (S::UNAUTHORIZED, "session_revoked", "Session revoked", "This session was ended. Log in again."),
            Self::UserInactive => (S::UNAUTHORIZED, "user_inactive", "User inactive", "This user is not active."),
            Self::InvalidCredentials => (S::UNAUTHORIZED, "invalid_credentials", "Invalid credentials", "No active user with this name and password was found."),
            Self::SecondFactorRequired => (S::UNAUTHORIZED, "second_factor_required", "Second factor required", "The first step was right. Send one of `factors` with `pending_token` to `/login/factor`."),
            Self::FactorInvalid => (S::UNAUTHORIZED, "factor_invalid", "Factor invalid", "This code is not valid: it is wrong, or was used already. Try the next one."),
            Self::PendingTokenInvalid => (S::UNAUTHORIZED, "pending_token_invalid", "Login over", "This login is over: it took too long, was tried too often, or the account has changed. Log in again."),
            Self::FactorRequired => (S::UNAUTHORIZED, "factor_required", "Factor required", "This needs a second factor: prove one with a step-up, and repeat the request with the new token."),
            Self::EnrolmentRequired => (S::FORBIDDEN, "enrolment_required", "Enrolment required", "This account must have a second factor. Enrol one first."),
            Self::SessionExpired => (S::UNAUTHORIZED, "session_expired", "Session expired", "This session has expired. Log in again."),
            Self::RefreshTokenMissing => (S::UNAUTHORIZED, "refresh_token_missing", "Refresh token missing", "No refresh token was sent: a browser sends the cookie when `credentials` are included, other clients send `refresh_token` in the body."),
            Self::RefreshTokenInvalid => (S::UNAUTHORIZED, "refresh_token_invalid", "Refresh token invalid", "The refresh token is not valid. Log in again."),
            Self::RefreshTokenExpired => (S::UNAUTHORIZED, "refresh_token_expired", "Refresh token expired", "The refresh token has expired. Log in again."),
            Self::RefreshTokenReused => (S::UNAUTHORIZED, "refresh_token_reused", "Refresh token reused", "This refresh token was used by someone else as well, so the session was ended for both. Log in again, and change the password if that was not you."),
            Self::SessionUnproved => (S::UNAUTHORIZED, "session_unproved", "Device not proved", "This session is bound to a device, and nothing shows that the device is there. Log in again."),
            Self::DeviceProofInvalid => (S::UNAUTHORIZED, "device_proof_invalid", "Device proof invalid", "This proves nothing: the challenge, the signature or the key is not good."),
            Self::DeviceProofRequired => (S::FORBIDDEN, "device_proof_required", "Device proof required", "Sign the challenge of `Secure-Session-Challenge` with the session's key."),
            Self::DeviceProofStale => (S::SERVICE_UNAVAILABLE, "device_proof_stale", "Device proof too old", "The device's last proof is too old. Nothing was done; the browser makes a new one by itself. Try again after `Retry-After` seconds."),
            Self::DeviceProofSkipped => (S::SERVICE_UNAVAILABLE, "device_proof_skipped", "Device proof skipped", "The browser could not prove itself now. Nothing was done; try again after `Retry-After` seconds."),
            Self::InvalidDpopProof => (S::BAD_REQUEST, "invalid_dpop_proof", "DPoP proof invalid", "The header `DPoP` proves nothing: it must be one JWT of the type `dpop+jwt`, signed by the key in its `jwk` with ES256 or EdDSA, for this method and address."),
            Self::UseDpopNonce => (S::BAD_REQUEST, "use_dpop_nonce", "DPoP nonce required", "Make a new proof with the `nonce` of the header `DPoP-Nonce` and an `iat` of now, by the time in `Date`, and send the request again. Nothing was done."),
            Self::PermissionDenied => (S::FORBIDDEN, "permission_denied", "Permission denied", "You may not do this."),
            Self::CsrfFailed => (S::FORBIDDEN, "csrf_failed", "CSRF check failed", "The CSRF check failed."),
            Self::Throttled => (S::TOO_MANY_REQUESTS, "throttled", "Too many attempts", "Too many \
                attempts. Wait as long as `Retry-After` says, and try again."),
            Self::ParseError => (S::BAD_REQUEST, "parse_error", "Parse error", "The body could not be read."),
            Self::ValidationError => (S::BAD_REQUEST, "validation_error", "Validation error", "Some fields are not valid; see `errors`."),
            Self::LinkInvalid => (S::BAD_REQUEST, "link_invalid", "Link invalid", "This link or code is not valid: it was used, is too old, or is another one's. Ask for a new one."),
            Self::EmailNotVerified => (S::FORBIDDEN, "email_not_verified", "Address not verified", "Prove your e-mail address first: follow the link in the mail, or ask for a new one."),
            Self::DeletionPlanned => (S::FORBIDDEN, "deletion_planned", "Deletion planned", "This account is to be deleted, as its owner asked. To keep it, log in with `restore`."),
            Self::Conflict => (S::CONFLICT, "conflict", "Conflict", "It was changed meanwhile, and \
                nothing was done. Look at what is there now, and try again."),
            Self::NotFound => (S::NOT_FOUND, "not_found", "Not found", "There is nothing at this path."),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", "This path has no such method; see `Allow`."),
            Self::RequestTimeout => (S::REQUEST_TIMEOUT, "request_timeout", "Request timeout", "The body took too long to arrive."),
            Self::PayloadTooLarge => (S::PAYLOAD_TOO_LARGE, "payload_too_large", "Payload too large", "The body is larger than 64 KiB."),
            Self::UnsupportedMediaType => (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type", "Send the body as `application/json` or `application/x-www-form-urlencoded`, and say so in `Content-Type`."),
            Self::BadRequest => (S::BAD_REQUEST, "bad_request", "Bad request", "The request is not valid HTTP."),
            Self::Unavailable => (S::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable", "The server cannot do this now. Nothing was done; try again after `Retry-After` seconds."),
            Self::InternalError => (S::INTERNAL_SERVER_ERROR, "internal_error", "Internal error", "The server made a mistake. Its log tells more."),
            Self::Own(own) => (own.status, own.code, own.title, own.detail),
        }
    }

    /// `WWW-Authenticate` of a 401 (RFC 6750, 3: no error code where no credentials were sent).
    pub(super) const fn challenge(self) -> Option<&'static str> {
        match self {
            Self::NotAuthenticated
            | Self::RefreshTokenMissing
            | Self::InvalidCredentials
            | Self::SecondFactorRequired
            | Self::FactorInvalid
            | Self::PendingTokenInvalid => Some("Bearer"),
            Self::RecentLoginRequired | Self::FactorRequired => {
                Some("Bearer error=\"insufficient_user_authentication\"")
            }
            Self::TokenExpired => {
                Some("Bearer error=\"invalid_token\", error_description=\"the token has expired\"")
            }
            Self::TokenInvalid
            | Self::SessionRevoked
            | Self::UserInactive
            | Self::SessionExpired
            | Self::RefreshTokenInvalid
            | Self::RefreshTokenExpired
            | Self::RefreshTokenReused
            | Self::SessionUnproved
            | Self::DeviceProofInvalid => Some("Bearer error=\"invalid_token\""),
            Self::Own(own) if own.status.as_u16() == 401 => Some("Bearer"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_one_word_of_its_own() {
        let words: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
