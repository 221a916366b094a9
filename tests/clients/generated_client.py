"""A client made of /openapi.json, with nothing else known of the server: it logs in, refreshes
and logs out, as a native client and as one with a cookie. The document is validated first."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
from openapi_spec_validator import OpenAPIV31SpecValidator

server, password = sys.argv[1], os.environ["PASSWORD"]
document = httpx.get(f"{server}/openapi.json").raise_for_status().json()
assert document["openapi"].startswith("3.1"), document["openapi"]
OpenAPIV31SpecValidator(document).validate()

folder = tempfile.TemporaryDirectory()
made = Path(folder.name)
(made / "openapi.json").write_text(json.dumps(document))
# A JWT is a text; and the client need not be formatted.
config = {"content_type_overrides": {"application/jwt": "text/plain"}, "post_hooks": []}
(made / "config.json").write_text(json.dumps(config))
generate = [
    *(Path(sys.executable).with_name("openapi-python-client"), "generate"),
    *("--meta", "none", "--fail-on-warning", "--config", made / "config.json"),
    *("--path", made / "openapi.json", "--output-path", made / "made_client"),
]
subprocess.run(generate, check=True, stdout=sys.stderr)
sys.path.insert(0, folder.name)

made_client = importlib.import_module("made_client")
models = importlib.import_module("made_client.models")
UNSET = importlib.import_module("made_client.types").UNSET


def call(operation, client, status, **arguments):
    """An operation of the tag `accounts`, by its name."""
    module = importlib.import_module(f"made_client.api.accounts.{operation}")
    answer = module.sync_detailed(client=client, **arguments)
    assert answer.status_code == status, (operation, answer.status_code, answer.content)
    # What is not as the document says would have been no model, or an error above.
    if answer.content:
        assert answer.parsed is not None, (operation, answer.content)
        assert isinstance(answer.parsed, models.Problem) == (status >= 400), operation
    return answer.parsed


def with_token(tokens):
    return made_client.AuthenticatedClient(base_url=server, token=tokens.access_token)


def credentials(**more):
    return models.LoginRequest(username="alice", password=password, **more)


stranger = made_client.Client(base_url=server)
refused = call("login", stranger, 401, body=models.LoginRequest(username="alice", password="wrong"))
assert refused.code == "invalid_credentials"

# A native client.
native = credentials(transport=models.LoginRequestTransport.BODY)
tokens = call("login", stranger, 200, body=native)
assert tokens.user.username == "alice" and tokens.user.is_active and tokens.csrf_token is UNSET
assert tokens.refresh_token and tokens.device_token and tokens.expires_in > 0
kept = models.RefreshRequest(refresh_token=tokens.refresh_token)
fresh = call("refresh", stranger, 200, body=kept)
assert fresh.access_token and fresh.refresh_token != tokens.refresh_token
assert call("profile", with_token(fresh), 200).user.email == "alice@example.com"
alice = models.ProfileRequest(first_name="Alice")
changed = call("change_profile", with_token(fresh), 200, body=alice)
assert changed.user.first_name == "Alice"
long = models.ProfileRequest(first_name="A" * 151)
refused = call("change_profile", with_token(fresh), 400, body=long)
assert refused.code == "validation_error" and "first_name" in refused.errors
page = call("sessions", with_token(fresh), 200, limit=1)
assert [session.current for session in page.sessions] == [True] and page.next_ is None
kept = models.RefreshRequest(refresh_token=fresh.refresh_token)
call("logout", stranger, 204, body=kept)
ended = call("refresh", stranger, 401, body=kept)
assert (ended.code, ended.reason) == ("session_revoked", "logout")

# A client with a jar of cookies.
browser = made_client.Client(base_url=server)
with browser:
    tokens = call("login", browser, 200, body=credentials())
    assert tokens.refresh_token is UNSET and tokens.csrf_token
    csrf = {"x_csrftoken": tokens.csrf_token}
    assert call("refresh", browser, 403, body=UNSET).code == "csrf_failed"
    call("refresh", browser, 200, body=UNSET, **csrf)
    assert call("csrf", browser, 200).csrf_token == tokens.csrf_token
    others = models.LogoutAllRequest(keep_current=True)
    call("logout_all", with_token(tokens), 204, body=others, **csrf)
    call("logout", browser, 204, body=UNSET, **csrf)
    assert call("refresh", browser, 401, body=UNSET).code == "refresh_token_missing"

folder.cleanup()
