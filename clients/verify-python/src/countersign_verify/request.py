"""What is read of a request: its method, its bearer token, its CSRF token."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from .encoding import b64url
from .problem import MALFORMED, Problem, invalid

#: Names in any case, and texts or bytes; pairs where several headers may have one name.
Headers: TypeAlias = "Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]"


def header_values(headers: Headers, name: str) -> list[str]:
    """Every value that a header has; `name` is in small letters."""
    pairs: Iterable[tuple[str | bytes, str | bytes]]
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [_text(value) for key, value in pairs if _text(key).lower() == name]


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def has_bearer(values: list[str]) -> bool:
    """Whether a request has a token at all, good or not: one header with the scheme `Bearer`."""
    return len(values) == 1 and values[0][:7].lower() == "bearer "


def bearer_token(values: list[str]) -> str:
    """The token in the header `Authorization`: one word behind `Bearer` (RFC 6750, 2.1)."""
    if len(values) > 1:
        raise invalid("Send one Authorization header, not several.")
    token = _BEARER.fullmatch(values[0])
    if token is None:
        raise invalid(MALFORMED)
    return token[1]


_BEARER = re.compile("bearer +([^ ,]+)", re.IGNORECASE | re.ASCII)


def is_safe(method: str) -> bool:
    """Whether a method only reads."""
    return method in ("GET", "HEAD", "OPTIONS", "TRACE")


def is_preflight(method: str, headers: Headers) -> bool:
    """Whether a browser asks if it may ask (Fetch, 3.2.2)."""
    return (
        method == "OPTIONS"
        and bool(header_values(headers, "origin"))
        and bool(header_values(headers, "access-control-request-method"))
    )


def check_csrf(headers: Headers, claimed: str) -> None:
    """Refuses a write without the CSRF token whose hash the access token claims."""
    values = header_values(headers, "x-csrftoken")
    if len(values) > 1:
        raise Problem("csrf_failed", "Send one X-CSRFTOKEN header, not several.")
    if not values or not values[0]:
        raise Problem("csrf_failed", _NO_CSRF)
    # Headers are bytes, which servers show as the letters of Latin-1.
    sent = values[0].encode("latin-1", "replace")
    claim = b64url(hashlib.sha256(sent).digest())
    if not hmac.compare_digest(claim.encode(), claimed.encode("utf-8", "replace")):
        raise Problem("csrf_failed", _WRONG_CSRF)


_NO_CSRF = (
    "The X-CSRFTOKEN header is missing. Send the `csrf_token` that login, refresh and csrf return; "
    "the cookie alone does not count. With axios, set `withCredentials`, `withXSRFToken`, "
    "`xsrfCookieName: 'csrftoken'` and `xsrfHeaderName: 'X-CSRFTOKEN'`."
)
_WRONG_CSRF = (
    "The X-CSRFTOKEN header is not this session's token. Send the `csrf_token` of the last login, "
    "or ask `GET` on the csrf endpoint for it."
)
