"""The issuer's public keys (RFC 7517): those that can verify an access token, and no other."""

from __future__ import annotations

from typing import Any

import jwt

from .encoding import parse, unb64url


class Key:
    """A key, and the one algorithm that it serves."""

    def __init__(self, alg: str, jwk: dict[str, str]) -> None:
        self.alg = alg
        self._algorithm = jwt.get_algorithm_by_name(alg)
        self._jwk = jwk
        self._key: Any = None

    def verifies(self, message: bytes, signature: bytes) -> bool:
        try:
            # Read when it is needed. A key in form alone verifies nothing.
            if self._key is None:
                self._key = self._algorithm.from_jwk(self._jwk)
            return bool(self._algorithm.verify(message, self._key, signature))
        except (jwt.PyJWTError, ValueError, TypeError):
            return False


def key_set(body: str) -> dict[str, Key]:
    """The keys of a set by their ids; of two with one id the first."""
    told = parse(body)
    listed = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it is no JWK Set: an object with the list `keys`")
    keys: dict[str, Key] = {}
    for jwk in listed:
        # Each by itself: one that is bent takes no other along.
        key = _verifying(jwk)
        if key is not None:
            keys.setdefault(jwk["kid"], key)
    return keys


def _verifying(jwk: Any) -> Key | None:
    """The key as it verifies, if that is what it is for."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
        return None
    if jwk.get("use") not in (None, "sig"):
        return None
    operations = jwk.get("key_ops")
    if operations is not None and (not isinstance(operations, list) or "verify" not in operations):
        return None

    def size(name: str) -> int:
        return len(_part(jwk, name))

    def bits() -> int:
        return int.from_bytes(_part(jwk, "n"), "big").bit_length()

    alg, kind = jwk.get("alg"), (jwk.get("kty"), jwk.get("crv"))
    members: tuple[str, ...] = ()
    if alg == "EdDSA" and kind == ("OKP", "Ed25519") and size("x") == 32:
        members = ("kty", "crv", "x")
    elif alg == "ES256" and kind == ("EC", "P-256") and (size("x"), size("y")) == (32, 32):
        members = ("kty", "crv", "x", "y")
    elif alg == "RS256" and kind[0] == "RSA" and bits() >= 2048 and size("e") > 0:
        members = ("kty", "n", "e")
    return Key(str(alg), {name: jwk[name] for name in members}) if members else None


def _part(jwk: dict[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    return (unb64url(value) or b"") if isinstance(value, str) else b""
