"""The issuer's signed list of sessions that ended, and the memory of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from .encoding import is_whole, unb64url
from .keys import Key
from .token import CLOCKS_APART, Fault, verified


class RevocationList(NamedTuple):
    exp: int
    cursor: str
    #: The ids of the sessions, in the spelling of the claim `sid`.
    sessions: list[str]
    #: Tokens issued at or before this are to be renewed.
    issued_after: int
    #: How long to remember an ending, in seconds.
    kept: int


def read_list(body: str, keys: dict[str, Key], issuer: str, now: int) -> RevocationList:
    """Reads a list, if `keys` signed it for `issuer` and its time is not over."""

    def check(header: dict[str, Any]) -> None:
        if header.get("typ") != "rl+jwt":
            raise Fault("wrong type")

    told = verified(body, check, keys)
    cursor, sids, after = told.get("cursor"), told.get("sids"), told.get("issued_after")
    ids = unb64url(sids) if isinstance(sids, str) else None
    if (
        not isinstance(told.get("iss"), str)
        or not all(is_whole(told.get(name)) for name in ("iat", "exp", "kept"))
        or not isinstance(cursor, str)
        or not _CURSOR.fullmatch(cursor)
        or ids is None
        or len(ids) % 8 != 0
        or not (after is None or is_whole(after))
    ):
        raise Fault("malformed")
    if told["iss"] != issuer:
        raise ValueError(f"it was issued by {told['iss']}; is that the issuer you mean?")
    if now >= told["exp"]:
        raise ValueError("its time is over: a cache, or a clock that is wrong")
    if told["iat"] > now + CLOCKS_APART:
        raise ValueError("its time has not come: are the clocks more than a minute apart?")
    return RevocationList(
        told["exp"],
        cursor,
        [ids[at : at + 8].hex() for at in range(0, len(ids), 8)],
        after or 0,
        # From a minute to two days.
        min(max(told["kept"], 60), 2 * 24 * 60 * 60),
    )


_CURSOR = re.compile("[0-9A-Za-z]{1,64}")


class Revocations:
    """The sessions that ended lately, each with the time when it was heard of.

    One thread at a time tells; others ask meanwhile.
    """

    def __init__(self) -> None:
        self._ended: dict[str, int] = {}
        # No entry is older.
        self._oldest: float = math.inf

    def __contains__(self, sid: str) -> bool:
        return sid in self._ended

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, sids: Iterable[str], now: int) -> None:
        for sid in sids:
            self._ended[sid] = now
            self._oldest = min(self._oldest, now)

    def forget_before(self, at: int) -> None:
        """Forgets what was heard of before: every access token of these sessions has expired."""
        if self._oldest < at:
            self._ended = {sid: heard for sid, heard in self._ended.items() if heard >= at}
            self._oldest = min(self._ended.values(), default=math.inf)

    def nothing_after(self, now: int) -> None:
        """What was heard of after `now` was heard of now: the clock was ahead."""
        self._ended = {sid: min(heard, now) for sid, heard in self._ended.items()}
        self._oldest = min(self._oldest, now)
