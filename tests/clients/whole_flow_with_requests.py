"""The whole flow, as a program written by somebody who has read the contract only."""

import os
import sys

import requests

server = sys.argv[1] + "/accounts"
old, new = os.environ["PASSWORD"], "another good passphrase 42"


def expect(answer, status, code=None):
    assert answer.status_code == status, (
        answer.request.method,
        answer.url,
        answer.status_code,
        answer.text,
    )
    if code:
        assert answer.json()["code"] == code, answer.text
    return answer


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


client = requests.Session()
tokens = expect(
    client.post(f"{server}/login", data={"username": "alice", "password": old}), 200
).json()
access, csrf = tokens["access_token"], {"X-CSRFTOKEN": tokens["csrf_token"]}
assert client.cookies["csrftoken"] == tokens["csrf_token"]

assert (
    expect(client.get(f"{server}/profile", headers=bearer(access)), 200).json()["user"]["username"]
    == "alice"
)
expect(client.get(f"{server}/profile"), 401, "not_authenticated")
expect(
    client.patch(f"{server}/profile", json={"first_name": "Alice"}, headers=bearer(access)),
    403,
    "csrf_failed",
)
changed = expect(
    client.patch(f"{server}/profile", json={"first_name": "Alice"}, headers=bearer(access) | csrf),
    200,
)
assert changed.json()["user"]["first_name"] == "Alice"

expect(client.post(f"{server}/refresh"), 403, "csrf_failed")
access = expect(client.post(f"{server}/refresh", headers=csrf), 200).json()["access_token"]
assert expect(client.get(f"{server}/csrf"), 200).json()["csrf_token"] == csrf["X-CSRFTOKEN"]

elsewhere = requests.Session()
other = expect(
    elsewhere.post(f"{server}/login", json={"username": "alice@example.com", "password": old}), 200
).json()
assert (
    len(expect(client.get(f"{server}/sessions", headers=bearer(access)), 200).json()["sessions"])
    == 2
)
expect(
    client.post(
        f"{server}/password",
        json={"old_password": old, "new_password": new},
        headers=bearer(access) | csrf,
    ),
    204,
)
expect(
    elsewhere.get(f"{server}/profile", headers=bearer(other["access_token"])),
    401,
    "session_revoked",
)
refused = expect(
    elsewhere.post(f"{server}/refresh", headers={"X-CSRFTOKEN": other["csrf_token"]}),
    401,
    "session_revoked",
)
assert refused.json()["reason"] == "password_changed"
expect(client.get(f"{server}/profile", headers=bearer(access)), 200)

refresh = dict(client.cookies)
expect(client.post(f"{server}/logout", headers=csrf), 204)
assert "refreshtoken" not in client.cookies
expect(client.get(f"{server}/profile", headers=bearer(access)), 401, "session_revoked")
expect(requests.post(f"{server}/refresh", cookies=refresh, headers=csrf), 401, "session_revoked")
expect(
    requests.post(f"{server}/login", json={"username": "alice", "password": old}),
    401,
    "invalid_credentials",
)
expect(requests.post(f"{server}/login", json={"username": "alice", "password": new}), 200)
