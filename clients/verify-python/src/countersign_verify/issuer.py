"""Following the issuer: its keys and its list of ended sessions."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from .encoding import parse
from .fetch import Connection, Fetch
from .keys import Key, key_set
from .recent import Recent
from .revocations import RevocationList, Revocations, read_list
from .token import Fault

if TYPE_CHECKING:
    from .identity import User

_log = logging.getLogger("countersign_verify")


class Settings(NamedTuple):
    """What is chosen about following an issuer. Times are in seconds."""

    issuer: str
    url: str | None
    audience: str | None
    groups: Mapping[str, tuple[str, ...]]
    max_staleness: float
    poll_interval: float
    token_cache_letters: int
    fetch: Fetch | None
    #: In whole seconds since 1970.
    clock: Callable[[], int]
    #: By a clock that nobody sets.
    monotonic: Callable[[], float]
    #: Whether a thread asks by itself. Without one, `Issuer.turn` does.
    follows: bool


class Seen(NamedTuple):
    """A token that was verified."""

    claims: dict[str, Any]
    user: User
    until: int


class _Known(NamedTuple):
    """What is remembered from one list to the next."""

    at: int = 0
    tag: str = ""
    cursor: str = ""
    exp: int = 0


class Issuer:
    """The issuer as it is known here. Threads may share it; a process that forks begins anew."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.keys: dict[str, Key] = {}
        self.revocations = Revocations()
        #: Tokens issued at or before this are to be renewed: more ended than a list can name.
        self.issued_after = 0
        #: How long endings are remembered, by the newest list; 0 before the first.
        self.kept = 0
        self.verified: Recent[Seen] = Recent(settings.token_cache_letters)
        # When keys and endings were last known to be right; 0: never.
        self._good_at = 0
        self._keys_asked = float("-inf")
        self._keys_had = (0, float("-inf"))
        self._known = _Known()
        self._places: tuple[str, str] | None = None
        # When somebody last asked here.
        self._wanted = float("-inf")
        self._is_down = False
        self._begin()
        _ISSUERS.add(self)

    def _begin(self) -> None:
        """What a process cannot share with the one that it was forked from."""
        # Until when what was asked last is no older than it should be.
        self._due = float("-inf")
        # Whether the turn under way is the first after nobody had asked for a while.
        self._is_late = False
        self._turns = 0
        self._turning = threading.Lock()
        self._key_turns = 0
        self._fetching_keys = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        #: Where the requests of an event loop wait. In the threads that the loop has for everything
        #: they would keep the app's own work waiting, names to be resolved for one. Who waits here
        #: waits for the same answer, so few threads are enough.
        self.waiting = ThreadPoolExecutor(_WAITING, thread_name_prefix="countersign-verify-wait")
        self._drop()
        self._connections = [Connection(), Connection()]
        self._fetch_list: Fetch = self.settings.fetch or self._connections[0]
        self._fetch_key_set: Fetch = self.settings.fetch or self._connections[1]
        self._stop = threading.Event()

    @property
    def is_fresh(self) -> bool:
        # A clock that went back by more is as good as one that went on.
        since = abs(self.settings.clock() - self._good_at)
        return self._good_at > 0 and since <= self.settings.max_staleness

    @property
    def is_awake(self) -> bool:
        """Whether `awake` would not wait."""
        is_late = self.settings.monotonic() > self._due
        must_wait = self._good_at == 0 or self._is_late
        return not is_late and not (must_wait and self._turning.locked())

    def want(self) -> None:
        """Sees to it that the issuer is asked, for as long as somebody asks here."""
        self._wanted = self.settings.monotonic()
        if not self.settings.follows or self._thread is not None:
            return
        with self._starting:
            if self._thread is None:
                self._stop = threading.Event()
                self._thread = threading.Thread(
                    target=self._follow, name="countersign-verify", daemon=True
                )
                self._thread.start()

    def awake(self) -> None:
        """As `want`, and waits where it has to.

        That is where nothing is known yet, and where nobody has asked the issuer for a while: the
        process slept, or had nothing to do.
        """
        must_wait = not self.is_awake
        self.want()
        if must_wait:
            self.turn()

    def rest(self) -> None:
        """Stops asking; the next request begins anew."""
        self._wanted = float("-inf")
        self._stop.set()
        for connection in self._connections:
            connection.close()

    def _drop(self) -> None:
        """Closes this process's half of what it has from the one that it was forked from."""
        for connection in getattr(self, "_connections", ()):
            connection.drop()

    def _follow(self) -> None:
        stop, interval = self._stop, self.settings.poll_interval
        while True:
            begun = self.settings.monotonic()
            self.turn()
            stop.wait(max(interval - (self.settings.monotonic() - begun), interval / 2))
            with self._starting:
                if stop.is_set() or self.settings.monotonic() - self._wanted >= _IDLE:
                    if self._stop is stop:
                        self._thread = None
                    return

    def turn(self) -> None:
        """Asks the issuer once for what is due. Many may ask at a time; one does."""
        before = self._turns
        with self._turning:
            if self._turns == before:
                # No request waits for an issuer that is slow, only for one that was not asked.
                # Where nobody had asked for a while, all who come meanwhile wait for this one.
                self._is_late = self.settings.monotonic() > self._due
                self._due = self.settings.monotonic() + _LONGEST_TURN
                try:
                    self._take_turn()
                finally:
                    self._turns += 1
                    interval = self.settings.poll_interval
                    self._due = self.settings.monotonic() + 2 * interval
                    self._is_late = False

    def _take_turn(self) -> None:
        try:
            self._renew_keys()
            self._poll()
        except Exception as error:
            # Whatever was known may be the reason: the next list is read from its beginning.
            self._known, self._places = _Known(), None
            if not self._is_down:
                self._warn("the keys, or the list of ended sessions, cannot be had", error)
            self._is_down = True
        else:
            self._good_at, self._is_down = self.settings.clock(), False

    def fetch_keys(self, floor: float = 10) -> None:
        """Fetches the keys again, unless they were asked for within `floor` seconds.

        Anybody can invent a key id.
        """
        before = self._key_turns
        if (
            not self._fetching_keys.locked()
            and self.settings.monotonic() - self._keys_asked < floor
        ):
            return
        try:
            self._load_keys(before)
        except Exception as error:
            self._warn("the keys cannot be had; the old ones go on", error)

    def _renew_keys(self) -> None:
        """Fetches the keys again when they are a minute old: a key that retired goes."""
        at, mono = self._keys_had
        is_new = self.settings.monotonic() - mono < _KEYS_EVERY
        if not (is_new and abs(self.settings.clock() - at) < _KEYS_EVERY):
            self._load_keys(self._key_turns)

    def _load_keys(self, before: int) -> None:
        """Many may ask at once; one fetches, the others wait for it."""
        with self._fetching_keys:
            if self._key_turns != before:
                return
            try:
                self._read_keys()
            finally:
                self._key_turns += 1

    def _read_keys(self) -> None:
        self._keys_asked, at = self.settings.monotonic(), self.settings.clock()
        body, _ = self._get(self._fetch_key_set, self._find()[0], _MAX_KEY_SET_BYTES)
        if body is None:
            raise ValueError("the keys are said to be the same, and nobody asked")
        self.keys = key_set(body)
        self._keys_had = (at, self.settings.monotonic())
        self.verified.clear()

    def _poll(self) -> None:
        """Takes in what ended since the last time."""
        now = self.settings.clock()
        if now < self._known.at:
            # What was forgotten while the clock was ahead is read again.
            self._known = _Known()
            self.revocations.nothing_after(now)
        known = self._known = self._known._replace(at=now)
        place = self._find()[1]
        url = f"{place}?since={known.cursor}" if known.cursor else place
        # A list whose time is over may be a cache's: then the whole is asked for.
        tag = known.tag if known.cursor and now < known.exp else ""
        body, new_tag = self._get(self._fetch_list, url, _MAX_LIST_BYTES, tag)
        if body is None:
            if tag:
                return
            raise ValueError("the issuer says that nothing changed, and was not asked")
        told = self._read_list(body, now)
        self.revocations.add(told.sessions, now)
        self.issued_after = max(self.issued_after, told.issued_after)
        self.revocations.forget_before(now - told.kept)
        if self.kept != told.kept:
            self.verified.clear()
        self.kept = told.kept
        self._known = _Known(now, new_tag, told.cursor, told.exp)

    def _read_list(self, body: str, now: int) -> RevocationList:
        try:
            return read_list(body, self.keys, self.settings.issuer, now)
        except Fault as fault:
            if str(fault) != "unknown key":
                raise
        # The list comes from the issuer itself, so this is no stranger's invention: the keys were
        # rotated at once.
        self.fetch_keys(floor=1)
        return read_list(body, self.keys, self.settings.issuer, now)

    def _find(self) -> tuple[str, str]:
        """Where keys and list are: as `url` says, or the issuer's document (OIDC Discovery, 4)."""
        issuer, url = self.settings.issuer, self.settings.url
        if url is not None:
            return f"{url}/.well-known/jwks.json", f"{url}/.well-known/revocations"
        if self._places is not None:
            return self._places
        place = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        told = parse(self._get(self._fetch_key_set, place, _MAX_KEY_SET_BYTES)[0] or "")
        if not isinstance(told, dict):
            raise ValueError(f"{place} is no JSON object")
        if told.get("issuer") != issuer:
            raise ValueError(
                f"{place} says that the issuer is {told.get('issuer')}; give exactly that as issuer"
            )
        found = []
        for name in ("jwks_uri", "revocations_uri"):
            value = told.get(name)
            # Another origin's keys would be another's to choose.
            if not isinstance(value, str) or _origin(value) != _origin(issuer):
                raise ValueError(f"{place} has no {name} on the issuer's origin")
            found.append(value)
        self._places = (found[0], found[1])
        return self._places

    def _get(self, fetch: Fetch, url: str, most: int, tag: str = "") -> tuple[str | None, str]:
        """The document, unless it is still the one with this tag; and its tag."""
        answer = fetch(url, {"If-None-Match": tag} if tag else {}, most)
        if answer.status == 304:
            return None, answer.tag
        if answer.status != 200:
            raise ValueError(f"{url} answers {answer.status}")
        if len(answer.body) > most:
            raise ValueError(f"{url} answers with more than {most} bytes")
        return answer.body.decode("utf-8"), answer.tag

    def _warn(self, what: str, error: Exception) -> None:
        place = self.settings.url or self.settings.issuer
        _log.warning("Countersign at %s: %s: %s", place, what, error or type(error).__name__)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


_ISSUERS: weakref.WeakSet[Issuer] = weakref.WeakSet()


def _forked() -> None:
    for issuer in list(_ISSUERS):
        issuer._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

# In seconds: how long caches may keep the keys; after how long without a request nobody is asked;
# and the issuer's document, its keys, its list, and its keys once more, at five each.
_KEYS_EVERY = 60
_IDLE = 60
_LONGEST_TURN = 20

#: Threads in which requests of event loops wait.
_WAITING = 4

_MAX_KEY_SET_BYTES = 1024 * 1024
#: Room for a list of a million ended sessions.
_MAX_LIST_BYTES = 16 * 1024 * 1024
