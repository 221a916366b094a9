"""Who may do what: the permissions of the crate countersign-verify, with its words."""

from __future__ import annotations

import json
from typing import NamedTuple

from .identity import Identity
from .problem import Problem
from .request import Headers, is_safe


class Ask(NamedTuple):
    """What a permission is asked about."""

    who: Identity | None
    method: str
    headers: Headers


class Denied(NamedTuple):
    """What is lacking."""

    permission: str
    #: What would do: `login`, a fresh one, or `factor`, a second one.
    lacks: str | None = None
    #: How old a login may be, in seconds.
    max_age: int = 0
    #: What the answer says in place of the usual sentence.
    detail: str | None = None


class Permission:
    """A condition that a request must meet. Write your own; join with `&`, `|` and `~`."""

    def check(self, ask: Ask) -> Denied | None:
        """What is lacking; nothing where it is met."""
        raise NotImplementedError

    def demand(self, ask: Ask) -> None:
        """Raises a `Problem` where it is not met."""
        denied = self.check(ask)
        if denied is not None:
            raise problem_of(denied, ask.who)

    def __and__(self, other: Permission) -> Permission:
        return And(self, other)

    def __or__(self, other: Permission) -> Permission:
        return Or(self, other)

    def __invert__(self) -> Permission:
        return Not(self)

    def __repr__(self) -> str:
        return type(self).__name__


class And(Permission):
    """Both."""

    def __init__(self, first: Permission, second: Permission) -> None:
        self.both = (first, second)

    def check(self, ask: Ask) -> Denied | None:
        return self.both[0].check(ask) or self.both[1].check(ask)

    def __repr__(self) -> str:
        return f"And({self.both[0]!r}, {self.both[1]!r})"


class Or(Permission):
    """One or the other."""

    def __init__(self, first: Permission, second: Permission) -> None:
        self.either = (first, second)

    def check(self, ask: Ask) -> Denied | None:
        first = self.either[0].check(ask)
        second = first and self.either[1].check(ask)
        if first is None or second is None:
            return None
        # A fresh login may be all that is lacking.
        why = second if second.lacks else first
        name = f"{first.permission} or {second.permission}"
        return Denied(name, why.lacks, why.max_age, second.detail or first.detail)

    def __repr__(self) -> str:
        return f"Or({self.either[0]!r}, {self.either[1]!r})"


class Not(Permission):
    """Everybody else."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    def check(self, ask: Ask) -> Denied | None:
        return None if self.permission.check(ask) else Denied(f"not {self.permission!r}")

    def __repr__(self) -> str:
        return f"Not({self.permission!r})"


class AllowAny(Permission):
    """Everybody, logged in or not."""

    def check(self, ask: Ask) -> Denied | None:
        return None


class IsAuthenticated(Permission):
    """Whoever is logged in."""

    def check(self, ask: Ask) -> Denied | None:
        return None if ask.who else Denied("IsAuthenticated")


class IsAuthenticatedOrReadOnly(Permission):
    """Whoever is logged in; everybody for methods that only read."""

    def check(self, ask: Ask) -> Denied | None:
        is_good = ask.who or is_safe(ask.method)
        return None if is_good else Denied("IsAuthenticatedOrReadOnly")


class IsStaff(Permission):
    """Staff."""

    def check(self, ask: Ask) -> Denied | None:
        return None if ask.who and ask.who.user.is_staff else Denied("IsStaff")


class IsSuperuser(Permission):
    """Superusers."""

    def check(self, ask: Ask) -> Denied | None:
        return None if ask.who and ask.who.user.is_superuser else Denied("IsSuperuser")


class _Named(Permission):
    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise TypeError("give a name that is a text")
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({json.dumps(self.name, ensure_ascii=False)})"


class HasPerm(_Named):
    """Who has the permission `app.codename`; superusers have every one."""

    def check(self, ask: Ask) -> Denied | None:
        return None if ask.who and ask.who.has_perm(self.name) else Denied(self.name)


class InGroup(_Named):
    """The members of a group."""

    def check(self, ask: Ask) -> Denied | None:
        return None if ask.who and ask.who.in_group(self.name) else Denied(f"InGroup({self.name})")


class ModelPerm(_Named):
    """`app.add_model` for `POST`, `change` for `PUT` and `PATCH`, `delete` for `DELETE`."""

    def check(self, ask: Ask) -> Denied | None:
        act = _ACTS.get(ask.method)
        if act is None:
            return IsAuthenticated().check(ask)
        app, _, model = self.name.rpartition(".")
        name = f"{app}.{act}_{model}"
        return None if ask.who and ask.who.has_perm(name) else Denied(name)


class RecentLogin(Permission):
    """Who has logged in, or stepped up, within so many minutes."""

    def __init__(self, minutes: int) -> None:
        if not isinstance(minutes, int) or minutes <= 0:
            raise TypeError("RecentLogin: give a number of minutes")
        self.minutes = minutes

    def check(self, ask: Ask) -> Denied | None:
        most = self.minutes * 60
        is_recent = ask.who is not None and ask.who.at - ask.who.auth_time <= most
        return None if is_recent else Denied("RecentLogin", "login", most)

    def __repr__(self) -> str:
        return f"RecentLogin({self.minutes})"


class HasFactor(Permission):
    """Who has proved a second factor in this session."""

    def check(self, ask: Ask) -> Denied | None:
        return None if ask.who and ask.who.has_factor else Denied("HasFactor", "factor")


def problem_of(denied: Denied, who: Identity | None) -> Problem:
    """The refusal: a 401 for who is not logged in, and who is needs to know what is lacking."""
    if who is None:
        return Problem("not_authenticated")
    if denied.lacks == "factor":
        return Problem("factor_required")
    if denied.lacks == "login":
        challenge = (
            'Bearer error="insufficient_user_authentication", '
            f'error_description="a more recent login is required", max_age={denied.max_age}'
        )
        return Problem("recent_login_required", challenge=challenge)
    usual = f"You may not do this. The permission that you lack: {denied.permission}."
    return Problem("permission_denied", denied.detail or usual)


_ACTS = {"POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}
