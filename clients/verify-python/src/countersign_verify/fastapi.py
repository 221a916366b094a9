"""For FastAPI: a dependency that is who is asking.

auth = Countersign("https://auth.example.com", app=app)

@app.get("/me")
def me(who: Annotated[Identity, Depends(auth)]):
    return {"user": who.user.id}
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from .identity import Identity
from .permissions import Permission
from .problem import Problem
from .verifier import Verifier


class Countersign(SecurityBase):
    """Who is asking, as a dependency: any user, or those who have `permission`.

    `issuer` is the issuer, with the options of a `Verifier`, or a `Verifier`. Give `app`, or call
    `install`: the answers to who is refused are the server's own then, codes included. With
    `preflights` a browser's preflights pass.
    """

    def __init__(
        self,
        issuer: str | Verifier,
        *,
        app: FastAPI | None = None,
        permission: Permission | None = None,
        preflights: bool = False,
        **options: Any,
    ) -> None:
        self.verifier = issuer if isinstance(issuer, Verifier) else Verifier(issuer, **options)
        self.permission = permission
        self.preflights = preflights
        # What the OpenAPI document says.
        self.model = HTTPBearer(bearerFormat="JWT", description="The access token")
        self.scheme_name = "bearer"
        if app is not None:
            self.install(app)

    async def __call__(self, request: Request) -> Identity | None:
        return await self.verifier.check_async(
            request.method, request.headers.raw, self.permission, preflights=self.preflights
        )

    def requires(self, permission: Permission) -> Countersign:
        """The same dependency for those who have `permission`."""
        return Countersign(self.verifier, permission=permission, preflights=self.preflights)

    def install(self, app: FastAPI) -> None:
        """Answers of `app` to who is refused are problem details (RFC 9457)."""
        app.add_exception_handler(Problem, _refuse)


def _refuse(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return Response(problem.body, problem.status, problem.headers)
