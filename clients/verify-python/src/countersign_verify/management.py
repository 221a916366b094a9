"""The management API, as far as a server asks it whose token or ticket it was shown."""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .encoding import is_whole, parse
from .fetch import Answer, Connection
from .identity import User, user_of
from .problem import Problem
from .verifier import is_base

#: Sends these headers and this body to a URL; reads no more than so many bytes and one.
Send: TypeAlias = Callable[[str, Mapping[str, str], int, bytes], Answer]


@dataclass(frozen=True)
class Introspection:
    """What a token, or a ticket, says at this moment."""

    user: User
    #: The session: 16 hexadecimal digits.
    sid: str
    #: `access`, `refresh` or `ticket`.
    token_use: str
    #: When the token ends, in seconds since 1970. A ticket has no such time.
    expires_at: int | None
    #: With `access`: an access token for one minute.
    access_token: str | None = field(repr=False)


class Management:
    """The management API, by a service token with the permission `countersign.introspect`.

    Threads may share it. It raises a `Problem` while Countersign cannot be reached, and a
    `PermissionError` where it refuses the service token itself.

    `url`: where Countersign is reached from here, as `https://auth.example.com`.
    """

    def __init__(self, url: str, token: str, *, send: Send | None = None) -> None:
        if not is_base(url):
            raise ValueError("url: give where Countersign is, like https://auth.example.com")
        if not isinstance(token, str) or not re.fullmatch(r"cs_[a-z2-7]{38}", token):
            raise ValueError("token: give what `countersign token create` printed")
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._send = send
        self._kept = threading.local()

    def introspect(
        self, token: str | None = None, *, cookie: str | None = None, access: bool = False
    ) -> Introspection | None:
        """Whose token this is, or whose browser, by the header `Cookie` that it sent.

        None where it is not good, and for a browser without cookies. A refresh token is looked at
        and never rotated. With `access` the answer for a browser has an access token for a minute.
        """
        if token is not None:
            if cookie is not None:
                raise TypeError("give either a token or a cookie")
            return self._ask("introspect", {"token": token}, self._connection())
        if not cookie:
            return None
        body = {"cookie": cookie, "access": access}
        return self._ask("introspect", body, self._connection())

    async def introspect_async(
        self, token: str | None = None, *, cookie: str | None = None, access: bool = False
    ) -> Introspection | None:
        """As `introspect`, and the event loop does not wait."""
        return await asyncio.to_thread(self.introspect, token, cookie=cookie, access=access)

    def redeem_ticket(self, ticket: str, purpose: str = "") -> Introspection | None:
        """Who shows this ticket, made for `purpose`; None where it is not good.

        It is used up by it, also where an exception is raised.
        """
        # A new connection: what is sent again over an old one would find the ticket used.
        connection = Connection()
        try:
            return self._ask("tickets/redeem", {"ticket": ticket, "for": purpose}, connection)
        finally:
            connection.close()

    async def redeem_ticket_async(self, ticket: str, purpose: str = "") -> Introspection | None:
        """As `redeem_ticket`, and the event loop does not wait."""
        return await asyncio.to_thread(self.redeem_ticket, ticket, purpose)

    def _connection(self) -> Connection:
        """One for each thread; a process that was forked begins anew."""
        kept: Connection | None = getattr(self._kept, "connection", None)
        if kept is None or self._kept.pid != os.getpid():
            if kept is not None:
                kept.drop()
            kept = self._kept.connection = Connection()
            self._kept.pid = os.getpid()
        return kept

    def _ask(
        self, path: str, body: Mapping[str, Any], connection: Connection
    ) -> Introspection | None:
        url = f"{self._url}/manage/v1/{path}"
        send = self._send or connection
        try:
            answer = send(url, self._headers, _MOST, json.dumps(body).encode())
            if len(answer.body) > _MOST:
                raise ValueError(f"{url} answers with more than {_MOST} bytes")
            told = parse(answer.body.decode("utf-8", "replace"))
        except Exception as error:
            raise Problem("unavailable", _AWAY, retry_after=1) from error
        if answer.status == 429 or answer.status >= 500:
            raise Problem("unavailable", _AWAY, retry_after=1)
        told = told if isinstance(told, dict) else {}
        if answer.status != 200:
            # Whoever runs this server has to see to it, and no user can: so it is no `Problem`.
            code, detail = told.get("code"), told.get("detail")
            why = f": {code}: {detail}" if isinstance(code, str) else ""
            raise PermissionError(f"{url} answers {answer.status}{why}")
        return _read(told, url)


def _read(told: dict[str, Any], url: str) -> Introspection | None:
    if told.get("active") is False:
        return None
    sub, sid, use = told.get("sub"), told.get("sid"), told.get("token_use")
    is_known = isinstance(sub, str) and isinstance(sid, str) and use in _USES
    if told.get("active") is not True or not is_known:
        raise ValueError(f"{url} does not answer as Countersign does")
    exp, access = told.get("exp"), told.get("access_token")
    return Introspection(
        user=user_of(told, {}),
        sid=str(sid),
        token_use=str(use),
        expires_at=exp if is_whole(exp) else None,
        access_token=access if isinstance(access, str) else None,
    )


_USES = ("access", "refresh", "ticket")
_AWAY = "The login service cannot be reached, so nobody can be let in. Try again soon."
_MOST = 1024 * 1024
