"""Thousands of requests, good and bad, made of /openapi.json: every answer's status, headers and
body are in the document, and what the document forbids is refused. Each run makes the same
requests."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

server, password = sys.argv[1], os.environ["PASSWORD"]
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
]


def session():
    """The headers of a new session of a browser: its tokens, and its cookies."""
    client = requests.Session()
    who = {"username": "alice@example.com", "password": password}
    answer = client.post(f"{server}/accounts/login", json=who)
    answer.raise_for_status()
    tokens = answer.json()
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = [f"Authorization: Bearer {tokens['access_token']}"]
    return [*headers, f"X-CSRFTOKEN: {tokens['csrf_token']}"], f"Cookie: {cookies}"


def attack(name, *arguments, checks=CHECKS, headers=()):
    command = [Path(sys.executable).with_name("st"), "--no-color", "run", f"{server}/openapi.json"]
    command += ["--checks", ",".join(checks), "--phases", "examples,coverage,fuzzing"]
    command += ["--generation-deterministic", "--max-examples", "25", "--continue-on-failure"]
    command += arguments
    for header in headers:
        command += ["--header", header]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    print(done.stdout, file=sys.stderr)
    assert done.returncode == 0, f"{name}: {done.stdout}\n{done.stderr}"
    # It ran, and not on an empty selection.
    assert "Test cases" in done.stdout, done.stdout


ends = ["/accounts/logout", "/accounts/logout-all"]
# It is a JWT, which that program takes for JSON.
jwt = "/.well-known/revocations"
# A browser takes a 4xx of it for the end of what binds it to its device: whatever is wrong gets
# 200, 403 or 503 there.
bound = "/accounts/device/refresh"
rest = [word for path in [*ends, jwt, bound] for word in ["--exclude-path", path]]

attack("a stranger", *rest)
headers, _ = session()
attack("a user without the CSRF token", *rest, headers=headers[:1])
# Who has a cookie, or at logout an access token, is not asked for a body: none is read. And that
# program cannot leave out a header which it was given.
unread = [check for check in CHECKS if check != "negative_data_rejection"]
by_cookie = ["/accounts/refresh", "/accounts/csrf"]
for path in by_cookie:
    headers, cookies = session()
    attack(path, "--include-path", path, headers=[*headers, cookies], checks=unread)
for path in ends:
    headers, _ = session()
    attack(path, "--include-path", path, headers=headers, checks=unread)
forgiven = ["negative_data_rejection", "not_a_server_error"]
mild = [check for check in CHECKS if check not in forgiven]
attack("the proof of a device", "--include-path", bound, checks=mild)
unshaped = [check for check in CHECKS if check != "response_schema_conformance"]
attack("the revocation list", "--include-path", jwt, checks=unshaped)
# Last: it changes the user's name and ends the session.
headers, cookies = session()
others = [word for path in by_cookie for word in ["--exclude-path", path]]
attack("a browser", *rest, *others, headers=[*headers, cookies])
print("everything was answered as the document says")
