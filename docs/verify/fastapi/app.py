"""A FastAPI service that takes Countersign's access tokens: no call for a request, and a logout is
felt within two seconds.

AUTH_URL=http://localhost:8000 uvicorn app:app --port 9000
"""

import base64
import hashlib
import hmac
import logging
import os
import threading
import time
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

# Where Countersign is reached from here; what its tokens say in `iss`, where that differs; and
# `aud`, if it is configured to say one.
AUTH_URL = os.environ.get("AUTH_URL", "http://localhost:8000").rstrip("/")
ISSUER = os.environ.get("AUTH_ISSUER", AUTH_URL)
AUDIENCE = os.environ.get("AUTH_AUDIENCE")

# Never a list that mixes these with HS256: a public key would then do as a secret.
ALGORITHMS = ["EdDSA", "ES256", "RS256"]
# Seconds by which the clocks of two machines may differ.
LEEWAY = 5

# What a group may. With Countersign's `extra_claims = ["groups"]` a token names the groups of its
# user, and stays short however many permissions these have.
GROUPS = {"editors": {"articles.add", "articles.publish"}, "authors": {"articles.add"}}

# Anybody can invent a key id, so an unknown one is looked up once a second at most.
KEYS = jwt.PyJWKClient(f"{AUTH_URL}/.well-known/jwks.json", timeout=5, cooldown_duration=1)


def decode(token: str, typ: str, required: list[str], audience: str | None = None) -> dict:
    """The claims of a JWT of this type that Countersign signed."""
    header = jwt.get_unverified_header(token)
    if header.get("typ") != typ:
        raise jwt.InvalidTokenError(f"the type is not {typ}")
    key = KEYS.get_signing_key(header.get("kid"))
    return jwt.decode(
        token,
        key,
        ALGORITHMS,
        issuer=ISSUER,
        audience=audience,
        leeway=LEEWAY,
        options={"require": ["iss", "iat", "exp", *required]},
    )


class Revocations:
    """The sessions that ended within the last access-token lifetime. One thread tells, all others
    ask.
    """

    def __init__(self):
        self.ended = set()
        self.good_until = 0
        self.cursor = self.tag = None
        self.polls = 0

    def follow(self):
        while True:
            time.sleep(1)
            self.poll()

    def poll(self):
        try:
            # Once a minute, so that a key that was cut off goes.
            if self.polls % 60 == 0:
                KEYS.get_jwk_set(refresh=True)
            # Everything now and then, so that what cannot matter any more goes.
            self.read(None if self.polls % 300 == 0 else self.cursor)
            self.polls += 1
        except Exception as error:  # whatever it was, the next second may be better
            logging.getLogger("uvicorn.error").warning("no list of the ended sessions: %s", error)

    def read(self, since):
        url = f"{AUTH_URL}/.well-known/revocations" + (f"?since={since}" if since else "")
        request = urllib.request.Request(
            url, headers={"If-None-Match": self.tag} if self.tag else {}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                tag, body = answer.headers["ETag"], answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code == 304:
                return
            raise
        news = decode(body, "rl+jwt", ["cursor", "full", "sids"])
        raw = base64.urlsafe_b64decode(news["sids"] + "=" * (-len(news["sids"]) % 4))
        sids = {raw[i : i + 8].hex() for i in range(0, len(raw), 8)}
        self.ended = sids if news["full"] else self.ended | sids
        self.cursor, self.tag, self.good_until = news["cursor"], tag, news["exp"]

    def has(self, sid):
        # A list is good for two minutes. Without a good one nobody is let in: better than to let in
        # who has logged out.
        if time.time() > self.good_until + LEEWAY:
            raise HTTPException(
                503, "the list of the ended sessions cannot be had", {"Retry-After": "5"}
            )
        return sid in self.ended


REVOCATIONS = Revocations()


def unauthorized(detail, challenge="Bearer"):
    return HTTPException(401, detail, {"WWW-Authenticate": challenge})


def signed_in(
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
) -> dict:
    """Who asks: the claims of a good access token."""
    if bearer is None:
        raise unauthorized("an access token is needed")
    try:
        claims = decode(bearer.credentials, "at+jwt", ["sub", "sid"], AUDIENCE)
    except jwt.PyJWKClientConnectionError as error:
        raise HTTPException(503, "the keys cannot be had", {"Retry-After": "5"}) from error
    except jwt.PyJWTError as error:
        raise unauthorized(
            "the access token is not good", 'Bearer error="invalid_token"'
        ) from error
    if REVOCATIONS.has(claims["sid"]):
        raise unauthorized("the session has ended", 'Bearer error="invalid_token"')
    return claims


def countersigned(
    claims: Annotated[dict, Depends(signed_in)], x_csrftoken: Annotated[str, Header()] = ""
) -> dict:
    """Who writes: a cookie session has to send its CSRF token too. A native session has no cookie,
    and nothing to forge.
    """
    digest = hashlib.sha256(x_csrftoken.encode()).digest()
    claim = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if "csrf" in claims and not hmac.compare_digest(claim, claims["csrf"]):
        raise HTTPException(403, "send the CSRF token as X-CSRFTOKEN")
    return claims


def permitted(permission: str):
    """Who may: somebody in a group that has this permission."""

    def check(claims: Annotated[dict, Depends(countersigned)]) -> dict:
        if not any(permission in GROUPS.get(group, ()) for group in claims.get("groups", ())):
            raise HTTPException(403, f"this takes {permission}")
        return claims

    return check


@asynccontextmanager
async def lifespan(_app):
    REVOCATIONS.poll()
    threading.Thread(target=REVOCATIONS.follow, daemon=True).start()
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/me")
def me(claims: Annotated[dict, Depends(signed_in)]):
    return {"user": claims["sub"]}


@app.post("/notes", status_code=201)
def write(claims: Annotated[dict, Depends(countersigned)]):
    return {"by": claims["sub"]}


@app.post("/articles", status_code=201)
def publish(claims: Annotated[dict, Depends(permitted("articles.publish"))]):
    return {"by": claims["sub"]}
