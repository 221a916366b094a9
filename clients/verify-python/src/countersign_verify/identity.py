"""Who is asking: what the access token says."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class User:
    """A user as an access token tells of one: no more than `extra_claims` puts into it."""

    #: The claim `sub`.
    id: str
    #: The id, where the token names none.
    username: str
    email: str
    email_verified: bool
    first_name: str
    last_name: str
    is_staff: bool
    is_superuser: bool
    groups: tuple[str, ...]
    #: With what the option `groups` says of the user's groups.
    permissions: tuple[str, ...]

    def has_perm(self, permission: str) -> bool:
        """Whether the user has a permission; superusers have every one."""
        return self.is_superuser or permission in self.permissions


@dataclass(frozen=True)
class Identity:
    """Who is asking."""

    user: User
    #: When the request came, in whole seconds since 1970.
    at: int
    _claims: Mapping[str, Any] = field(repr=False)

    @cached_property
    def claims(self) -> dict[str, Any]:
        """What the access token says: a copy, as other requests with this token read it too."""
        return copy.deepcopy(dict(self._claims))

    @property
    def sid(self) -> str:
        """The session: 16 hexadecimal digits."""
        sid: str = self._claims["sid"]
        return sid

    @property
    def auth_time(self) -> int:
        """When the user last proved who they are, in whole seconds since 1970."""
        auth_time: int = self._claims["auth_time"]
        return auth_time

    @property
    def has_factor(self) -> bool:
        """Whether a second factor was proved in this session."""
        return "mfa" in self._claims.get("amr", ())

    def has_perm(self, permission: str) -> bool:
        """Whether the user has a permission; superusers have every one."""
        return self.user.has_perm(permission)

    def in_group(self, group: str) -> bool:
        return group in self.user.groups


def user_of(claims: Mapping[str, Any], groups: Mapping[str, tuple[str, ...]]) -> User:
    """The user as the token tells of them. `groups`: what their members may beyond that."""

    def text(name: str) -> str:
        value = claims.get(name)
        return value if isinstance(value, str) else ""

    def texts(name: str) -> list[str]:
        value = claims.get(name)
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

    username = claims.get("username")
    own, permissions = texts("groups"), texts("permissions")
    by_group = (permission for group in own for permission in groups.get(group, ()))
    return User(
        id=claims["sub"],
        username=username if isinstance(username, str) else claims["sub"],
        email=text("email"),
        email_verified=claims.get("email_verified") is True,
        first_name=text("first_name"),
        last_name=text("last_name"),
        is_staff=claims.get("is_staff") is True,
        is_superuser=claims.get("is_superuser") is True,
        groups=tuple(own),
        permissions=tuple(dict.fromkeys([*permissions, *by_group])),
    )
