"""Base64url and JSON, read strictly."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, NoReturn


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(encoded: str) -> bytes | None:
    """The bytes of a text in its one spelling: no padding, no other letters, no bits left over."""
    if not _LETTERS.fullmatch(encoded):
        return None
    try:
        decoded = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except binascii.Error:
        return None
    return decoded if b64url(decoded) == encoded else None


_LETTERS = re.compile("[A-Za-z0-9_-]*")


def parse(text: str | bytes) -> Any:
    """What a JSON text says; nothing where it is none."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def parse_object(part: str) -> dict[str, Any] | None:
    """The object in a part of a JWT; nothing where there is none."""
    decoded = unb64url(part)
    value = None if decoded is None else parse(decoded)
    return value if isinstance(value, dict) else None


def is_whole(value: object) -> bool:
    """Whether it is a whole number of 64 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64
