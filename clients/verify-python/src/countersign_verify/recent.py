"""A bounded memory: when its young half is full, the old half goes."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Reading takes no lock."""

    def __init__(self, most: int) -> None:
        """`most`: how many letters the keys may have together."""
        self._half = most // 2
        self._lock = threading.Lock()
        self._young: dict[str, T] = {}
        self._old: dict[str, T] = {}
        self._inserted = 0

    def get(self, key: str) -> T | None:
        found = self._young.get(key)
        return self._old.get(key) if found is None else found

    def set(self, key: str, value: T) -> None:
        if len(key) > self._half:
            return
        with self._lock:
            if self._inserted + len(key) > self._half:
                self._old, self._young, self._inserted = self._young, {}, 0
            self._inserted += len(key)
            self._young[key] = value

    def clear(self) -> None:
        with self._lock:
            self._young, self._old, self._inserted = {}, {}, 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
