"""An access token checked: signature, type, issuer, audience, times.

By the rules of the crate countersign-verify, in its order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple

from .encoding import is_whole, parse_object, unb64url
from .keys import Key
from .problem import MALFORMED, Problem, invalid


class Fault(Exception):
    """Why a signed text does not count."""

    @property
    def problem(self) -> Problem:
        """As a request is told of it."""
        return invalid(_DETAILS[str(self)])


_DETAILS = {
    "malformed": MALFORMED,
    "wrong type": "This is not an access token.",
    "unknown key": "The access token was signed with a key that is not in use.",
    "invalid": "The access token's signature or claims are not valid.",
}


class Rules(NamedTuple):
    """What a token is checked by."""

    issuer: str
    audience: str | None
    #: How long endings are remembered, in seconds.
    kept: int


def verified(
    token: str, check: Callable[[dict[str, Any]], None], keys: dict[str, Key]
) -> dict[str, Any]:
    """The claims of a compact JWS that one of `keys` signed. `check` looks at the header first."""
    parts = token.split(".")
    header = parse_object(parts[0]) if len(parts) == 3 else None
    if header is None or header.get("alg") not in _ALGORITHMS:
        raise Fault("malformed")
    check(header)
    # A token that brings its own key, or says that something unknown must be understood, is none of
    # ours (RFC 7515, 4.1.11; RFC 8725, 3.10).
    if any(header.get(name) is not None for name in ("crit", "jwk", "jku", "x5u", "x5c")):
        raise Fault("malformed")
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise Fault("malformed")
    key = None if kid is None else keys.get(kid)
    if key is None:
        raise Fault("unknown key")
    claims, signature = parse_object(parts[1]), unb64url(parts[2])
    if claims is None or not signature or header["alg"] != key.alg:
        raise Fault("invalid")
    if not key.verifies(f"{parts[0]}.{parts[1]}".encode(), signature):
        raise Fault("invalid")
    return claims


def read_token(
    token: str, keys: dict[str, Key], rules: Rules, now: int
) -> tuple[dict[str, Any], int]:
    """A token's claims, and until when it counts."""
    if len(token) > MAX_TOKEN_BYTES:
        raise invalid(f"The access token is longer than {MAX_TOKEN_BYTES} bytes.")
    types: list[str] = []

    def check(header: dict[str, Any]) -> None:
        typ = header.get("typ")
        if typ is not None and not isinstance(typ, str):
            raise Fault("malformed")
        if typ not in (_ACCESS, _ENROL):
            raise Fault("wrong type")
        types.append(typ)

    claims = verified(token, check, keys)
    if not _is_well_formed(claims):
        raise Fault("invalid")
    if claims.get("scope") != ("enrol" if types == [_ENROL] else None):
        raise Fault("wrong type")
    if claims["iss"] != rules.issuer:
        raise invalid("The access token was issued by another issuer.")
    aud = claims.get("aud")
    if rules.audience is not None and rules.audience not in (
        [aud] if isinstance(aud, str) else aud or []
    ):
        raise invalid("The access token is meant for another audience.")
    if claims["exp"] > _LATEST or claims["iat"] > claims["exp"]:
        raise Fault("invalid")
    # A token out of the future would outlive the memory of its session's end.
    soon = now + CLOCKS_APART
    if claims["iat"] > soon or (claims.get("nbf") or 0) > soon:
        raise invalid(
            "The access token's time has not come. Are the clocks more than a minute apart?"
        )
    # Endings are remembered for so long and no longer.
    until: int = min(claims["exp"], claims["iat"] + rules.kept)
    if now >= until:
        raise Problem("token_expired")
    return claims, until


def _is_well_formed(claims: dict[str, Any]) -> bool:
    """Whether each claim is there, and of its own type. What is optional may be null."""

    def texts(value: object) -> bool:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)

    aud = claims.get("aud")
    return (
        isinstance(claims.get("iss"), str)
        and _is_user_id(claims.get("sub"))
        and isinstance(claims.get("sid"), str)
        and _SID.fullmatch(claims["sid"]) is not None
        and all(is_whole(claims.get(name)) for name in ("iat", "exp", "auth_time"))
        and (claims.get("nbf") is None or is_whole(claims["nbf"]))
        and all(isinstance(claims.get(name), (str, type(None))) for name in ("csrf", "scope"))
        and (aud is None or isinstance(aud, str) or texts(aud))
        and ("amr" not in claims or texts(claims["amr"]))
    )


def _is_user_id(sub: object) -> bool:
    if not isinstance(sub, str) or any(
        unicodedata.category(letter) in ("Cc", "Cs") for letter in sub
    ):
        return False
    return 0 < len(sub.encode()) <= 62


_SID = re.compile("(?!0{16})[0-9a-f]{16}")

_ACCESS = "at+jwt"
_ENROL = "et+jwt"

#: What a JWS may be signed with at all. Which of them counts is the key's to say.
_ALGORITHMS = tuple(
    "EdDSA ES256 ES384 HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512".split()
)

#: What the clocks of two machines may differ by, in seconds.
CLOCKS_APART = 60

#: The last second of the year 9999.
_LATEST = 253_402_300_799

MAX_TOKEN_BYTES = 8192
