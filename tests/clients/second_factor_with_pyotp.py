"""A second factor whose codes another program makes: pyotp reads the URI, as an app would."""

import os
import sys

import pyotp
import requests

server = sys.argv[1] + "/accounts"
password = os.environ["PASSWORD"]


def expect(answer, status, code=None):
    assert answer.status_code == status, (answer.request.url, answer.status_code, answer.text)
    if code:
        assert answer.json()["code"] == code, answer.text
    return answer.json()


def post(path, body, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(server + path, json=body, headers=headers)


def first_step():
    return post("/login", {"username": "alice", "password": password, "transport": "body"})


def second_step(code):
    pending = expect(first_step(), 401, "second_factor_required")["pending_token"]
    return post("/login/factor", {"pending_token": pending, "code": code})


token = expect(first_step(), 200)["access_token"]
begun = expect(post("/factors/totp", {"name": "pyotp"}, token), 201)
app = pyotp.parse_uri(begun["uri"])
assert app.secret == begun["secret"].replace(" ", "")
assert (app.digits, app.interval) == (6, 30) and app.digest().name == "sha1"
assert app.name == "alice@example.com", app.name

# The server's clock stands still meanwhile.
now = int(sys.argv[2])


def of_step(away):
    return app.at(now + 30 * away)


expect(post("/factors/totp/confirm", {"code": of_step(-2)}, token), 400, "validation_error")
expect(post("/factors/totp/confirm", {"code": of_step(2)}, token), 400, "validation_error")
confirmed = expect(post("/factors/totp/confirm", {"code": of_step(-1)}, token), 200)
codes = confirmed["recovery_codes"]
assert len(set(codes)) == 10

expect(second_step(of_step(-1)), 401, "factor_invalid")
expect(second_step(of_step(0)), 200)
expect(second_step(of_step(0)), 401, "factor_invalid")
expect(second_step(of_step(1)), 200)
expect(second_step(of_step(0)), 401, "factor_invalid")
pending = expect(first_step(), 401, "second_factor_required")["pending_token"]
recovered = post("/login/factor", {"pending_token": pending, "recovery_code": codes[0]})
expect(recovered, 200)
