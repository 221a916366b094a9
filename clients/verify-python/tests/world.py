"""An issuer of the test's own, and clocks that the test moves."""

import base64
import hashlib
import json
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from countersign_verify import Problem, Verifier
from countersign_verify.fetch import Answer

ISSUER = "https://id.example.com"
CSRF = "the token of the session"
KEYS = "/.well-known/jwks.json"
LIST = "/.well-known/revocations"
DISCOVERY = "/.well-known/openid-configuration"
SID = "00000000000000ff"
OTHER_SID = "00000000000000aa"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    def __init__(self, kid, alg="EdDSA"):
        self.kid, self.alg = kid, alg
        is_ed = alg == "EdDSA"
        self.private = (
            ed25519.Ed25519PrivateKey.generate()
            if is_ed
            else ec.generate_private_key(ec.SECP256R1())
        )
        public = jwt.get_algorithm_by_name(alg).to_jwk(self.private.public_key(), as_dict=True)
        public.pop("key_ops", None)
        self.jwk = {**public, "kid": kid, "alg": alg, "use": "sig"}

    def sign(self, typ, claims):
        return jwt.encode(claims, self.private, self.alg, {"typ": typ, "kid": self.kid})


class World:
    def __init__(self, **options):
        self.now, self.mono = 1_800_000_000, 1000.0
        self.keys = [Key("first")]
        self.ended = []
        self.list_more = {}
        self.told = {}
        #: What a path answers in place of the usual.
        self.instead = {}
        self.asked = []
        self.options = {
            "fetch": self.fetch,
            "clock": lambda: self.now,
            "monotonic": lambda: self.mono,
            "follows": False,
            **options,
        }
        self.verifier = Verifier(ISSUER, **self.options)

    def fetch(self, url, headers, most):
        place = urlsplit(url)
        self.asked.append(place.path + (f"?{place.query}" if place.query else ""))
        if place.path in self.instead:
            return self.instead[place.path](most)
        if place.path == KEYS:
            return ok({"keys": [key.jwk for key in self.keys]})
        if place.path == DISCOVERY:
            told = {
                "issuer": ISSUER,
                "jwks_uri": ISSUER + KEYS,
                "revocations_uri": ISSUER + LIST,
            }
            return ok({**told, **self.told})
        since = int(place.query.removeprefix("since=") or 0)
        # Signed anew every half minute.
        tag = f'"{len(self.ended)}.{self.now // 30}.{self.keys[-1].kid}"'
        if headers.get("If-None-Match") == tag:
            return Answer(304, tag, b"")
        claims = {
            "iss": ISSUER,
            "iat": self.now,
            "exp": self.now + 120,
            "cursor": str(len(self.ended)),
            "full": not place.query,
            "kept": 360,
            "sids": b64(bytes.fromhex("".join(self.ended[since:]))),
            **self.list_more,
        }
        return Answer(200, tag, self.keys[-1].sign("rl+jwt", claims).encode())

    def count(self, path):
        return sum(asked.split("?")[0] == path for asked in self.asked)

    def claims(self, **more):
        usual = {
            "iss": ISSUER,
            "sub": "7",
            "iat": self.now,
            "exp": self.now + 300,
            "sid": SID,
            "auth_time": self.now,
        }
        return {**usual, **more}

    def token(self, **more):
        return self.keys[-1].sign("at+jwt", self.claims(**more))

    def cookie(self, **more):
        return self.token(csrf=b64(hashlib.sha256(CSRF.encode()).digest()), **more)

    def tick(self, seconds=1):
        """So many seconds later, and once more asked, as the thread would."""
        self.now += seconds
        self.mono += seconds
        self.verifier._issuer.turn()

    def code(self, token):
        """The code with which a token is refused; None where it is good."""
        try:
            self.verifier.verify(token)
        except Problem as problem:
            return problem.code
        return None


def ok(document):
    return Answer(200, "", json.dumps(document).encode())
