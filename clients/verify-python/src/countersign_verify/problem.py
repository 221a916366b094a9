"""Why a request is refused: problem details (RFC 9457), with the words of the server."""

from __future__ import annotations

import json
from typing import NamedTuple


class _Usual(NamedTuple):
    status: int
    title: str
    detail: str
    challenge: str | None = None


_FORGED = 'Bearer error="invalid_token"'
_WEAK = 'Bearer error="insufficient_user_authentication"'

_PROBLEMS = {
    "not_authenticated": _Usual(
        401,
        "Not authenticated",
        "Log in, and send the access token as `Authorization: Bearer`.",
        "Bearer",
    ),
    "token_invalid": _Usual(401, "Token invalid", "The access token is not valid.", _FORGED),
    "token_expired": _Usual(
        401,
        "Token expired",
        "The access token has expired. Refresh, and try again.",
        _FORGED + ', error_description="the token has expired"',
    ),
    "session_revoked": _Usual(
        401, "Session revoked", "This session was ended. Log in again.", _FORGED
    ),
    "user_inactive": _Usual(401, "User inactive", "This user is not active.", _FORGED),
    "recent_login_required": _Usual(
        401,
        "Recent login required",
        "This needs a fresh login: ask for the password, log in again, and repeat the request with "
        "the new token.",
        _WEAK,
    ),
    "factor_required": _Usual(
        401,
        "Factor required",
        "This needs a second factor: prove one with a step-up, and repeat the request with the new "
        "token.",
        _WEAK,
    ),
    "enrolment_required": _Usual(
        403,
        "Enrolment required",
        "This account must have a second factor. Enrol one first.",
    ),
    "permission_denied": _Usual(403, "Permission denied", "You may not do this."),
    "csrf_failed": _Usual(403, "CSRF check failed", "The CSRF check failed."),
    "unavailable": _Usual(
        503,
        "Temporarily unavailable",
        "The server cannot do this now. Nothing was done; try again after `Retry-After` seconds.",
    ),
}


class Problem(Exception):
    """A refusal. `code` is a word that stays the same for ever, and the other members follow."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        challenge: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        usual = _PROBLEMS[code]
        self.code = code
        self.status = usual.status
        self.title = usual.title
        self.detail = usual.detail if detail is None else detail
        #: The header `WWW-Authenticate`.
        self.challenge = usual.challenge if challenge is None else challenge
        #: The header `Retry-After`, in seconds.
        self.retry_after = retry_after
        super().__init__(f"{code}: {self.detail}")

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
        if self.challenge is not None:
            headers["WWW-Authenticate"] = self.challenge
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return headers

    @property
    def document(self) -> dict[str, str | int]:
        """What the body of the answer says."""
        return {
            "type": f"urn:countersign:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }

    @property
    def body(self) -> bytes:
        """The body of the answer."""
        return json.dumps(self.document).encode()


def invalid(detail: str) -> Problem:
    return Problem("token_invalid", detail)


MALFORMED = "Send `Authorization: Bearer` and the access token as login or refresh returned it."
