// Made by scripts/codes.mjs from the server's own list. Do not edit.

/** What went wrong, in the server's word. It stays the same for ever. */
export type Code =
  | 'not_authenticated'
  | 'token_invalid'
  | 'token_expired'
  | 'recent_login_required'
  | 'session_revoked'
  | 'user_inactive'
  | 'invalid_credentials'
  | 'second_factor_required'
  | 'factor_invalid'
  | 'pending_token_invalid'
  | 'factor_required'
  | 'enrolment_required'
  | 'session_expired'
  | 'refresh_token_missing'
  | 'refresh_token_invalid'
  | 'refresh_token_expired'
  | 'refresh_token_reused'
  | 'session_unproved'
  | 'device_proof_invalid'
  | 'device_proof_required'
  | 'device_proof_stale'
  | 'device_proof_skipped'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'permission_denied'
  | 'csrf_failed'
  | 'throttled'
  | 'parse_error'
  | 'validation_error'
  | 'link_invalid'
  | 'email_not_verified'
  | 'deletion_planned'
  | 'conflict'
  | 'not_found'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'bad_request'
  | 'unavailable'
  | 'internal_error';

/** The codes that mean the end of a session. */
export type EndingCode =
  | 'session_revoked'
  | 'user_inactive'
  | 'session_expired'
  | 'refresh_token_missing'
  | 'refresh_token_invalid'
  | 'refresh_token_expired'
  | 'refresh_token_reused'
  | 'session_unproved';

/** With the code `session_revoked`: why the session was ended. */
export type Reason =
  | 'logout'
  | 'logout_all'
  | 'password_changed'
  | 'admin'
  | 'user_inactive'
  | 'token_theft'
  | 'replaced'
  | 'session_limit'
  | 'factor_removed';
