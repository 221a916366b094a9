"""A resource server in another language: it knows the JWKS address and the issuer, and nothing
else.
"""

import json
import os
import sys
import urllib.request

import jwt
import requests

server, algorithm = sys.argv[1:]
login = requests.post(
    f"{server}/accounts/login",
    json={"username": "alice", "password": os.environ["PASSWORD"]},
    timeout=10,
)
token = login.json()["access_token"]

# PyJWKClient sends its own User-Agent and caches the set, as a resource server would.
keys = jwt.PyJWKClient(f"{server}/.well-known/jwks.json")
key = keys.get_signing_key_from_jwt(token)
required = {"require": ["exp", "iat", "sub", "iss", "sid"]}
issuer = jwt.decode(token, options={"verify_signature": False})["iss"]
claims = jwt.decode(token, key.key, algorithms=[algorithm], issuer=issuer, options=required)
assert claims["sub"] == str(login.json()["user"]["id"]), claims
assert claims["exp"] - claims["iat"] == 300, claims
assert jwt.get_unverified_header(token)["typ"] == "at+jwt"

# One letter of the payload changed: refused.
head, payload, signature = token.split(".")
broken = f"{head}.{payload[:-2]}{'A' if payload[-2] != 'A' else 'B'}{payload[-1]}.{signature}"
try:
    jwt.decode(broken, key.key, algorithms=[algorithm], issuer=issuer)
except jwt.InvalidTokenError:
    pass
else:
    sys.exit("a changed token was accepted")

# The revocation list is signed with the same keys.
session = requests.Session()
session.cookies.update(login.cookies)
ended = requests.post(
    f"{server}/accounts/logout", headers={"Authorization": f"Bearer {token}"}, timeout=10
)
assert ended.status_code == 204, ended.text
with urllib.request.urlopen(f"{server}/.well-known/revocations", timeout=10) as answer:
    revocations = answer.read().decode()
assert jwt.get_unverified_header(revocations)["typ"] == "rl+jwt"
listed = jwt.decode(
    revocations,
    keys.get_signing_key_from_jwt(revocations).key,
    algorithms=[algorithm],
    issuer=issuer,
)
sids = jwt.utils.base64url_decode(listed["sids"])
assert bytes.fromhex(claims["sid"]) in [
    sids[i : i + 8] for i in range(0, len(sids), 8)
], json.dumps(listed)
