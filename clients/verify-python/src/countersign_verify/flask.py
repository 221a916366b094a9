"""For Flask.

auth = Countersign(app, "https://auth.example.com")

@app.get("/me")
@auth.requires()
def me():
    return {"user": g.identity.user.id}
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, current_app, g, request

from .permissions import Permission
from .problem import Problem
from .verifier import Verifier


class Countersign:
    """Finds out who is asking; `flask.g.identity` is who it is, None where nobody need be.

    `issuer` is the issuer, with the options of a `Verifier`, or a `Verifier`. With `private` every
    path of the app is for users alone, also without `requires`. With `preflights` a browser's
    preflights pass.
    """

    def __init__(
        self,
        app: Flask | None,
        issuer: str | Verifier,
        *,
        private: bool = False,
        preflights: bool = False,
        **options: Any,
    ) -> None:
        self.verifier = issuer if isinstance(issuer, Verifier) else Verifier(issuer, **options)
        self.private = private
        self.preflights = preflights
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        app.register_error_handler(Problem, _refuse)
        if self.private:
            app.before_request(lambda: self._demand(None))

    def requires(
        self, permission: Permission | None = None
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Lets users through, or those who have `permission`: for one view."""

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                self._demand(permission)
                return current_app.ensure_sync(view)(*args, **kwargs)

            return guarded

        return decorate

    def _demand(self, permission: Permission | None) -> None:
        g.identity = self.verifier.check(
            request.method, list(request.headers), permission, preflights=self.preflights
        )


def _refuse(problem: Problem) -> Response:
    return Response(problem.body, problem.status, problem.headers)
