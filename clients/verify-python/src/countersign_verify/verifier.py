"""The verifier: who sends a request, and whether they may."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar
from urllib.parse import urlsplit

from .fetch import Fetch
from .identity import Identity, user_of
from .issuer import Issuer, Seen, Settings
from .permissions import Ask, IsAuthenticated, Permission
from .problem import Problem
from .request import (
    Headers,
    bearer_token,
    check_csrf,
    has_bearer,
    header_values,
    is_preflight,
    is_safe,
)
from .token import Fault, Rules, read_token

T = TypeVar("T")

# A step that may take a while is handed out, so that an event loop can do it elsewhere.
_Steps = Generator[Callable[[], None], None, T]


class Verifier:
    """Checks access tokens of one issuer.

    Threads and event loops may share it. It asks the issuer every second while it is used, in a
    thread of its own, and else nobody. Times are in seconds.

    `issuer`: exactly what tokens say in `iss`, as `https://auth.example.com`. Keys and ended
    sessions are found by its document `/.well-known/openid-configuration`, unless `url` says where
    Countersign is reached from here.

    `audience`: the name that must be in the claim `aud`; none unless chosen.

    `groups`: what the members of a group may, beyond what a token says.

    `max_staleness`: how long what is known goes on to count while the issuer cannot be reached.
    After that every request with a token is answered with 503.
    """

    def __init__(
        self,
        issuer: str,
        *,
        url: str | None = None,
        audience: str | None = None,
        groups: Mapping[str, Iterable[str]] | None = None,
        max_staleness: float = 300,
        poll_interval: float = 1,
        token_cache_letters: int = 8 * 1024 * 1024,
        fetch: Fetch | None = None,
        clock: Callable[[], int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        follows: bool = True,
    ) -> None:
        if not isinstance(issuer, str) or not issuer:
            raise TypeError("issuer: give what tokens say in `iss`, like https://auth.example.com")
        if not is_base(issuer if url is None else url):
            raise ValueError(
                f"{issuer if url is None else url} is not where an issuer can be: give a URL with "
                "scheme and host, like https://auth.example.com; where the issuer has another name "
                "than its address, give both, issuer and url"
            )
        if audience is not None and (not isinstance(audience, str) or not audience):
            raise TypeError("audience: give one name, or leave it out")
        if not poll_interval >= 0.05:
            raise ValueError("poll_interval: at least 0.05 seconds")
        if not max_staleness >= max(poll_interval, 1):
            raise ValueError("max_staleness: at least a second, and at least poll_interval")
        self._issuer = Issuer(
            Settings(
                issuer,
                None if url is None else url.rstrip("/"),
                audience,
                {name: tuple(may) for name, may in (groups or {}).items()},
                max_staleness,
                poll_interval,
                token_cache_letters,
                fetch,
                clock or (lambda: int(time.time())),
                monotonic,
                follows,
            )
        )

    def check(
        self,
        method: str,
        headers: Headers,
        permission: Permission | None = None,
        *,
        preflights: bool = False,
    ) -> Identity | None:
        """Who sends a request that `permission` lets through; None where nobody need be logged in.

        Any logged-in user unless a permission is given. With `preflights` a browser's preflights
        pass too. Raises a `Problem` for every other request.
        """
        return _run(self._check(method, headers, permission, preflights))

    async def check_async(
        self,
        method: str,
        headers: Headers,
        permission: Permission | None = None,
        *,
        preflights: bool = False,
    ) -> Identity | None:
        """As `check`, and the event loop never waits for the issuer."""
        steps = self._check(method, headers, permission, preflights)
        return await _run_async(steps, self._issuer.waiting)

    def authenticate(self, method: str, headers: Headers) -> Identity | None:
        """Who sends a request; None where it brings no token.

        The CSRF token of a write is checked. Raises a `Problem` for a token that does not count.
        """
        return _run(self._authenticate(method, headers))

    def verify(self, token: str) -> Identity:
        """Who holds a token that did not come in a header: the first message of a WebSocket, say.

        Raises a `Problem` where it does not count.
        """
        return _run(self._verify(token))

    async def verify_async(self, token: str) -> Identity:
        """As `verify`, and the event loop never waits for the issuer."""
        return await _run_async(self._verify(token), self._issuer.waiting)

    def ready(self) -> bool:
        """Asks the issuer now; whether keys and ended sessions are known. Need not be called."""
        self._issuer.awake()
        self._issuer.turn()
        return self.is_ready

    @property
    def is_ready(self) -> bool:
        """Whether keys and ended sessions are known, and not staler than they may be.

        To ask this keeps the verifier asking the issuer for a minute, as a request does.
        """
        # A probe may be all that asks: while it does, the next one finds what is known now.
        self._issuer.want()
        return self._issuer.is_fresh

    def is_live(self, sid: str) -> bool:
        """Whether no end of this session was heard of, by news that is not staler than it may be.

        For what goes on longer than a request. Ask at least every minute, and an end is heard of
        within two seconds.
        """
        # A stream may be all that asks, and nobody can tell who has ended once what is known is too
        # old.
        self._issuer.want()
        return self._issuer.is_fresh and sid not in self._issuer.revocations

    def close(self) -> None:
        """Stops asking the issuer. Whatever is asked next begins anew."""
        self._issuer.rest()

    def _check(
        self, method: str, headers: Headers, permission: Permission | None, preflights: bool
    ) -> _Steps[Identity | None]:
        headers = headers if isinstance(headers, Mapping) else list(headers)
        if preflights and is_preflight(method, headers):
            return None
        who = yield from self._authenticate(method, headers)
        (permission or IsAuthenticated()).demand(Ask(who, method, headers))
        return who

    def _authenticate(self, method: str, headers: Headers) -> _Steps[Identity | None]:
        headers = headers if isinstance(headers, Mapping) else list(headers)
        values = header_values(headers, "authorization")
        if not values:
            return None
        # Nobody can tell a good token from a bad one then.
        if has_bearer(values):
            yield from self._have_news()
        seen, now = yield from self._identify(bearer_token(values))
        csrf = seen.claims.get("csrf")
        if not is_safe(method) and csrf is not None:
            check_csrf(headers, csrf)
        return _known(seen, now)

    def _verify(self, token: str) -> _Steps[Identity]:
        yield from self._have_news()
        seen, now = yield from self._identify(token)
        return _known(seen, now)

    def _have_news(self) -> _Steps[None]:
        if self._issuer.is_awake:
            self._issuer.awake()
        else:
            yield self._issuer.awake
        if not self._issuer.is_fresh:
            raise Problem("unavailable", _AWAY, retry_after=1)

    def _identify(self, token: str) -> _Steps[tuple[Seen, int]]:
        issuer = self._issuer
        now = issuer.settings.clock()
        seen = issuer.verified.get(token)
        if seen is None or now >= seen.until:
            seen = yield from self._read(token, now)
        if seen.claims["sid"] in issuer.revocations:
            raise Problem("session_revoked")
        if seen.claims["iat"] <= issuer.issued_after:
            raise Problem("token_expired")
        return seen, now

    def _read(self, token: str, now: int) -> _Steps[Seen]:
        issuer = self._issuer
        for is_last in (False, True):
            keys = issuer.keys
            rules = Rules(issuer.settings.issuer, issuer.settings.audience, issuer.kept)
            try:
                claims, until = read_token(token, keys, rules, now)
                break
            except Fault as fault:
                if is_last or str(fault) != "unknown key":
                    raise fault.problem from None
            yield issuer.fetch_keys
        seen = Seen(claims, user_of(claims, issuer.settings.groups), until)
        # Not where there are other keys by now.
        if keys is issuer.keys:
            issuer.verified.set(token, seen)
        return seen


def _known(seen: Seen, now: int) -> Identity:
    # A session that may only enrol a second factor gets nowhere else.
    if seen.claims.get("scope") is not None:
        raise Problem("enrolment_required")
    return Identity(seen.user, now, seen.claims)


def _run(steps: _Steps[T]) -> T:
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
        step()


async def _run_async(steps: _Steps[T], waiting: Executor) -> T:
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
        run = contextvars.copy_context().run
        await asyncio.get_running_loop().run_in_executor(waiting, run, step)


def is_base(url: Any) -> bool:
    """Whether an issuer can be there."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    is_bare = parts.username is None and parts.password is None and not set("?# \t\r\n") & set(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and is_bare


_AWAY = "The login service cannot be reached, so nobody can be let in. Try again soon."
