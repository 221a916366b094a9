"""For Django REST framework.

COUNTERSIGN = {"ISSUER": "https://auth.example.com"}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "countersign_verify.django.CountersignAuthentication"
    ],
    "DEFAULT_PERMISSION_CLASSES": ["countersign_verify.django.IsAuthenticated"],
}
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from . import permissions
from .identity import Identity
from .permissions import AllowAny, Ask, Permission
from .problem import Problem
from .verifier import Verifier


class CountersignAuthentication(BaseAuthentication):
    """`request.user` is who the access token tells of, and `request.auth` its `Identity`.

    No table of users is asked. To have the row of a table of your own, write a class with another
    `get_user`. Where there is no row, or its user may not come in, it returns None, and the request
    is refused.
    """

    def authenticate(self, request: Request) -> tuple[Any, Identity] | None:
        try:
            # Whether a user is needed is the view's to say, by its permission classes.
            who = verifier().check(request.method or "GET", request.headers, AllowAny())
        except Problem as problem:
            raise Refused(problem) from None
        if who is None:
            return None
        user = self.get_user(who)
        if user is None:
            # The permissions ask the token, which is as good as it was before the row went.
            raise Refused(Problem("user_inactive"))
        return user, who

    def get_user(self, who: Identity) -> Any:
        return TokenUser(who)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def requires(permission: Permission) -> type[BasePermission]:
    """A permission class for views: `permission_classes = [requires(HasPerm("articles.add"))]`."""

    class Requires(BasePermission):
        def has_permission(self, request: Request, view: object) -> bool:
            who = request.auth if isinstance(request.auth, Identity) else None
            try:
                permission.demand(Ask(who, request.method or "GET", request.headers))
            except Problem as problem:
                raise Refused(problem) from None
            return True

    return Requires


#: As REST framework's own, and the answer has its code.
IsAuthenticated = requires(permissions.IsAuthenticated())


class Refused(APIException):
    """A problem, as REST framework answers it: with every member, code included."""

    def __init__(self, problem: Problem) -> None:
        self.status_code = problem.status
        self.detail = problem.document
        self.problem = problem
        # REST framework puts these two into headers.
        self.auth_header = problem.challenge
        self.wait = problem.retry_after

    def get_codes(self) -> str:
        return self.problem.code

    def __str__(self) -> str:
        return str(self.problem)


class TokenUser:
    """A user as an access token tells of one, in Django's words. There is no row."""

    is_active = True
    is_anonymous = False
    is_authenticated = True

    def __init__(self, who: Identity) -> None:
        user = who.user
        self.id = self.pk = user.id
        self.username = user.username
        self.email = user.email
        self.first_name = user.first_name
        self.last_name = user.last_name
        self.is_staff = user.is_staff
        self.is_superuser = user.is_superuser
        self.group_names = user.groups
        self._user = user

    def get_username(self) -> str:
        return self.username

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self._user.has_perm(perm)

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        own = self._user.permissions
        return self.is_superuser or any(perm.partition(".")[0] == app_label for perm in own)

    def __str__(self) -> str:
        return self.username

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenUser) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)


@functools.lru_cache(maxsize=1)
def verifier() -> Verifier:
    """The verifier of the setting `COUNTERSIGN`: the options of a `Verifier`, in capitals."""
    told = getattr(settings, "COUNTERSIGN", None)
    if not isinstance(told, dict) or "ISSUER" not in told:
        raise ImproperlyConfigured(
            'COUNTERSIGN: give the issuer, as {"ISSUER": "https://auth.example.com"}'
        )
    try:
        return Verifier(**{name.lower(): value for name, value in told.items()})
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"COUNTERSIGN: {error}") from error


def _changed(*, setting: str, **_: object) -> None:
    if setting == "COUNTERSIGN":
        verifier.cache_clear()


setting_changed.connect(_changed)
