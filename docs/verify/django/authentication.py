"""What settings alone cannot do: the revocation list, and the CSRF token of cookie sessions."""

import base64
import hashlib
import hmac
import logging
import threading
import time
import urllib.error
import urllib.request

import jwt
from django.conf import settings
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.state import token_backend


class CountersignAuthentication(JWTStatelessUserAuthentication):
    def get_validated_token(self, raw_token):
        token = super().get_validated_token(raw_token)
        if jwt.get_unverified_header(raw_token).get("typ") != "at+jwt" or "sid" not in token:
            raise InvalidToken("this is no access token")
        if REVOCATIONS.has(token["sid"]):
            raise InvalidToken("the session has ended")
        return token

    def authenticate(self, request):
        user_and_token = super().authenticate(request)
        if user_and_token and request.method not in SAFE_METHODS:
            check_csrf(user_and_token[1], request.headers.get("X-CSRFTOKEN", ""))
        return user_and_token


def check_csrf(token, header):
    """A cookie session has to send its CSRF token too. A native session has no cookie, and nothing
    to forge.
    """
    digest = hashlib.sha256(header.encode()).digest()
    claim = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if "csrf" in token and not hmac.compare_digest(claim, token["csrf"]):
        raise PermissionDenied("send the CSRF token as X-CSRFTOKEN")


class Revocations:
    """The sessions that ended within the last access-token lifetime; asked for when a request comes
    and the last answer is a second old.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.ended = set()
        self.good_until = 0
        self.asked_at = self.full_at = float("-inf")
        self.cursor = self.tag = None

    def has(self, sid):
        with self.lock:
            if time.monotonic() - self.asked_at >= 1:
                self.asked_at = time.monotonic()
                try:
                    self.poll()
                except Exception as error:  # whatever it was, the next second may be better
                    logging.getLogger("django").warning("no list of the ended sessions: %s", error)
            # A list is good for two minutes. Without a good one nobody is let in: better than to
            # let in who has logged out.
            if time.time() > self.good_until + LEEWAY:
                raise ListUnavailable
            return sid in self.ended

    def poll(self):
        # Everything now and then, so that what cannot matter any more goes.
        since = self.cursor if time.monotonic() - self.full_at < 300 else None
        url = f"{settings.AUTH_URL}/.well-known/revocations" + (f"?since={since}" if since else "")
        request = urllib.request.Request(
            url, headers={"If-None-Match": self.tag} if self.tag else {}
        )
        try:
            with urllib.request.urlopen(request, timeout=1) as answer:
                tag, body = answer.headers["ETag"], answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code == 304:
                return
            raise
        header = jwt.get_unverified_header(body)
        if header.get("typ") != "rl+jwt":
            raise jwt.InvalidTokenError("this is no revocation list")
        required = {"require": ["iss", "iat", "exp", "cursor", "full", "sids"]}
        rules = settings.SIMPLE_JWT
        news = jwt.decode(
            body,
            KEYS.get_signing_key(header.get("kid")),
            [rules["ALGORITHM"]],
            required,
            issuer=rules["ISSUER"],
            leeway=LEEWAY,
        )
        raw = base64.urlsafe_b64decode(news["sids"] + "=" * (-len(news["sids"]) % 4))
        sids = {raw[i : i + 8].hex() for i in range(0, len(raw), 8)}
        if news["full"]:
            self.ended, self.full_at = sids, time.monotonic()
        else:
            self.ended |= sids
        self.cursor, self.tag, self.good_until = news["cursor"], tag, news["exp"]


class ListUnavailable(APIException):
    status_code = 503
    default_detail = "the list of the ended sessions cannot be had"


LEEWAY = settings.SIMPLE_JWT["LEEWAY"]
REVOCATIONS = Revocations()

# simplejwt's own client keeps the keys for five minutes and looks for an unknown one every half
# minute at most; no setting changes that.
KEYS = jwt.PyJWKClient(settings.SIMPLE_JWT["JWK_URL"], lifespan=60, timeout=5, cooldown_duration=1)
token_backend.jwks_client = KEYS
