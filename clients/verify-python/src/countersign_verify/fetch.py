"""Fetching small documents from one origin, over a connection that is kept."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit


class Answer(NamedTuple):
    status: int
    #: The header `ETag`, or nothing.
    tag: str
    body: bytes


#: Fetches a URL with these headers; reads no more than so many bytes and one.
Fetch: TypeAlias = Callable[[str, Mapping[str, str], int], Answer]


class Connection:
    """One connection, made anew when it has gone. Redirects are not followed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: http.client.HTTPConnection | None = None
        self._origin: tuple[str, str] | None = None

    def __call__(
        self, url: str, headers: Mapping[str, str], most: int, body: bytes | None = None
    ) -> Answer:
        """With a body it is a `POST`, which may be sent twice over a connection that was kept."""
        with self._lock:
            # One that was kept may have been closed meanwhile.
            was_open = self._open is not None
            try:
                return self._ask(url, headers, most, body)
            except (http.client.HTTPException, ConnectionError):
                self.drop()
                if not was_open:
                    raise
                return self._ask(url, headers, most, body)

    def close(self) -> None:
        with self._lock:
            self.drop()

    def _ask(
        self, url: str, headers: Mapping[str, str], most: int, sent: bytes | None
    ) -> Answer:
        place = urlsplit(url)
        origin = (place.scheme, place.netloc)
        if self._origin != origin:
            self.drop()
        if self._open is None:
            secure = place.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            self._open, self._origin = kind(place.netloc, timeout=TIMEOUT), origin
        ends = time.monotonic() + TIMEOUT
        path = (place.path or "/") + (f"?{place.query}" if place.query else "")
        try:
            method = "GET" if sent is None else "POST"
            self._open.request(method, path, body=sent, headers=dict(headers))
            answer = self._open.getresponse()
            body = b""
            while len(body) <= most and (part := answer.read1(65_536)):
                body += part
                if time.monotonic() > ends:
                    raise TimeoutError("it does not answer in time")
            is_read = answer.isclosed() or answer.length == 0
            answer.close()
            if not is_read or answer.will_close:
                self.drop()
            return Answer(answer.status, answer.getheader("ETag", ""), body)
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open = self._origin = None


#: In seconds.
TIMEOUT = 5.0
