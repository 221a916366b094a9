"""The same promises behind each framework."""

import asyncio
import json
import unittest
from pathlib import Path
from typing import Annotated

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory, override_settings
from fastapi import Depends, FastAPI
from fastapi import Response as Answered
from flask import Flask, g

from countersign_verify import AllowAny, HasPerm, Identity, IsAuthenticatedOrReadOnly, Problem
from countersign_verify.fetch import Answer
from world import CSRF, ISSUER, KEYS, LIST, SID, World

if not settings.configured:
    settings.configure(
        SECRET_KEY="for the tests alone",
        ALLOWED_HOSTS=["testserver"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"],
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [
                "countersign_verify.django.CountersignAuthentication"
            ],
            "DEFAULT_PERMISSION_CLASSES": ["countersign_verify.django.IsAuthenticated"],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        },
    )
    django.setup()

from rest_framework.response import Response
from rest_framework.views import APIView

from countersign_verify import django as for_django
from countersign_verify.fastapi import Countersign as ForFastAPI
from countersign_verify.flask import Countersign as ForFlask


class Promises:
    """What each framework keeps: `ask(world)` makes an app, and the function that asks it."""

    def test_who_is_signed_in_is_let_in_and_nobody_else(self):
        world = World()
        ask, token = self.ask(world), world.token()
        self.assertEqual(ask("GET", "/me", token)[::2], (200, {"user": "7"}))
        status, headers, body = ask("GET", "/me")
        self.assertEqual((status, headers["www-authenticate"]), (401, "Bearer"))
        self.refused(body, "not_authenticated")
        status, headers, body = ask("GET", "/me", "nonsense")
        self.assertEqual((status, body["code"]), (401, "token_invalid"))
        self.assertEqual(headers["www-authenticate"], 'Bearer error="invalid_token"')
        world.ended.append(SID)
        world.tick()
        self.assertEqual(ask("GET", "/me", token)[2]["code"], "session_revoked")

    def test_a_cookie_session_writes_with_its_csrf_token(self):
        world = World()
        ask, token = self.ask(world), world.cookie()
        status, _, body = ask("POST", "/notes", token)
        self.assertEqual((status, body["code"]), (403, "csrf_failed"))
        self.assertEqual(ask("POST", "/notes", token, {"X-CSRFToken": "wrong"})[0], 403)
        self.assertEqual(ask("POST", "/notes", token, {"X-CSRFToken": CSRF})[0], 201)
        self.assertEqual(ask("POST", "/notes", world.token())[0], 201)

    def test_a_route_asks_for_a_permission(self):
        world = World(groups={"editors": ["articles.publish"]})
        ask = self.ask(world)
        status, _, body = ask("POST", "/articles", world.token())
        self.assertEqual((status, body["code"]), (403, "permission_denied"))
        self.assertIn("The permission that you lack: articles.publish.", body["detail"])
        self.assertEqual(ask("POST", "/articles", world.token(groups=["editors"]))[0], 201)
        self.assertEqual(ask("POST", "/articles")[0], 401)

    def test_while_the_issuer_is_away_come_back_later(self):
        world = World()
        for path in (KEYS, LIST):
            world.instead[path] = lambda most: Answer(502, "", b"")
        with self.assertLogs("countersign_verify"):
            status, headers, body = self.ask(world)("GET", "/me", world.token())
        self.assertEqual((status, headers["retry-after"]), (503, "1"))
        self.assertEqual(body["code"], "unavailable")

    def refused(self, body, code):
        self.assertEqual(body["type"], f"urn:countersign:problem:{code}")
        self.assertEqual(body["code"], code)
        self.assertEqual((body["title"], body["status"]), ("Not authenticated", 401))


class InFastAPI(Promises, unittest.TestCase):
    def ask(self, world):
        app = FastAPI()
        auth = ForFastAPI(world.verifier, app=app)

        @app.get("/me")
        async def me(who: Annotated[Identity, Depends(auth)]):
            return {"user": who.user.id}

        @app.post("/notes", status_code=201, dependencies=[Depends(auth)])
        def write():
            return {}

        may_publish = Depends(auth.requires(HasPerm("articles.publish")))

        @app.post("/articles", status_code=201)
        def publish(who: Annotated[Identity, may_publish]):
            return {}

        return asking(app)

    def test_two_authorization_headers_are_none(self):
        world = World()
        ask, token = self.ask(world), world.token()
        headers = [("Authorization", f"Bearer {token}")] * 2
        status, _, body = ask("GET", "/me", None, headers)
        self.assertEqual(status, 401)
        self.assertIn("Send one Authorization header, not several.", body["detail"])

    def test_every_route_can_be_private_and_the_document_says_so(self):
        world = World()
        auth = ForFastAPI(world.verifier)
        app = FastAPI(dependencies=[Depends(auth)])
        auth.install(app)

        @app.get("/")
        def root():
            return {}

        self.assertEqual(asking(app)("GET", "/")[0], 401)
        self.assertEqual(asking(app)("GET", "/", world.token())[0], 200)
        document = app.openapi()
        self.assertEqual(document["paths"]["/"]["get"]["security"], [{"bearer": []}])
        self.assertEqual(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer")

    def test_what_the_dependency_of_an_app_leaves_open_a_middleware_closes(self):
        world = World()
        auth = ForFastAPI(world.verifier)
        paths = ("/docs", "/redoc", "/openapi.json", "/below/")
        below = FastAPI()
        below.get("/")(lambda: {})

        def status(app, path, token=None):
            app.mount("/below", below)
            return asking(app, reads=False)("GET", path, token)[0]

        for path in paths:
            with self.subTest(path):
                app = FastAPI(dependencies=[Depends(auth)])
                self.assertEqual(status(app, path), 200)
                # As the README shows it.
                app = FastAPI()
                readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
                shown = "@app.middleware" + readme.split("@app.middleware")[1].split("```")[0]
                exec(shown, {"app": app, "auth": auth, "Problem": Problem, "Response": Answered})
                self.assertEqual(status(app, path), 401)
                self.assertEqual(status(app, path, world.token()), 200)
        for path in paths[:3]:
            app = FastAPI(dependencies=[Depends(auth)], openapi_url=None)
            self.assertEqual(status(app, path), 404)

    def test_where_nobody_need_be_logged_in_the_identity_is_none(self):
        world, app = World(), FastAPI()
        auth = ForFastAPI(world.verifier, app=app).requires(IsAuthenticatedOrReadOnly())

        @app.get("/")
        def root(who: Annotated[Identity | None, Depends(auth)]):
            return {"who": who and who.user.id}

        self.assertEqual(asking(app)("GET", "/")[2], {"who": None})
        self.assertEqual(asking(app)("GET", "/", "bent")[0], 401)

    def test_a_preflight_passes_where_it_is_let_through(self):
        asks = {"Origin": "https://x.example", "Access-Control-Request-Method": "GET"}
        for preflights, expected in ((False, 401), (True, 200)):
            app = FastAPI()
            auth = ForFastAPI(World().verifier, app=app, preflights=preflights)

            @app.options("/", dependencies=[Depends(auth)])
            def root():
                return {}

            self.assertEqual(asking(app)("OPTIONS", "/", None, asks)[0], expected)
            self.assertEqual(asking(app)("OPTIONS", "/")[0], 401)


class InFlask(Promises, unittest.TestCase):
    def ask(self, world):
        app = Flask("test")
        auth = ForFlask(app, world.verifier)

        @app.get("/me")
        @auth.requires()
        def me():
            return {"user": g.identity.user.id}

        @app.post("/notes")
        @auth.requires()
        def write():
            return {}, 201

        @app.post("/articles")
        @auth.requires(HasPerm("articles.publish"))
        def publish():
            return {}, 201

        return self.asking(app)

    @staticmethod
    def asking(app):
        def ask(method, path, token=None, headers=()):
            headers = dict(headers)
            if token:
                headers["Authorization"] = f"Bearer {token}"
            answer = app.test_client().open(path, method=method, headers=headers)
            return answer.status_code, lowered(answer.headers), answer.get_json(force=True)

        return ask

    def test_a_private_app_has_no_open_path(self):
        world, app = World(), Flask("test")
        ForFlask(app, world.verifier, private=True)
        app.get("/")(lambda: {"who": g.identity.user.id})
        ask = self.asking(app)
        self.assertEqual((ask("GET", "/")[0], ask("GET", "/nowhere")[0]), (401, 401))
        self.assertEqual(ask("GET", "/", world.token())[2], {"who": "7"})

    def test_a_view_that_lets_strangers_in(self):
        world, app = World(), Flask("test")
        auth = ForFlask(app, world.verifier)
        app.get("/")(auth.requires(AllowAny())(lambda: {"who": g.identity and g.identity.at}))
        self.assertEqual(self.asking(app)("GET", "/")[2], {"who": None})


class InDjango(Promises, unittest.TestCase):
    def ask(self, world):
        told = {"ISSUER": ISSUER, **{n.upper(): v for n, v in world.options.items()}}
        overridden = override_settings(COUNTERSIGN=told)
        overridden.enable()
        self.addCleanup(overridden.disable)
        world.verifier = for_django.verifier()

        class Me(APIView):
            def get(self, request):
                return Response({"user": request.user.id})

        class Notes(APIView):
            def post(self, request):
                return Response({}, status=201)

        class Articles(APIView):
            permission_classes = [for_django.requires(HasPerm("articles.publish"))]

            def post(self, request):
                return Response({}, status=201)

        views = {"/me": Me, "/notes": Notes, "/articles": Articles}

        def ask(method, path, token=None, headers=()):
            headers = dict(headers)
            if token:
                headers["Authorization"] = f"Bearer {token}"
            request = RequestFactory().generic(method, path, headers=headers)
            answer = views[path].as_view()(request)
            answer.render()
            return answer.status_code, lowered(answer.headers), json.loads(answer.content)

        return ask

    def test_a_user_whose_row_is_gone_gets_nowhere(self):
        class Rows(for_django.CountersignAuthentication):
            rows = {"7": "ada"}

            def get_user(self, who):
                return self.rows.get(who.user.id)

        class Me(APIView):
            authentication_classes = [Rows]

            def get(self, request):
                return Response({"user": request.user})

        world = World()
        self.ask(world)

        def ask(sub):
            headers = {"Authorization": f"Bearer {world.token(sub=sub)}"}
            answer = Me.as_view()(RequestFactory().get("/me", headers=headers))
            return answer.status_code, answer.data

        self.assertEqual(ask("7"), (200, {"user": "ada"}))
        status, data = ask("8")
        self.assertEqual((status, data["code"]), (401, "user_inactive"))

    def test_a_user_speaks_django(self):
        world = World()
        self.ask(world)
        token = world.token(username="ada", is_staff=True, permissions=["news.add_article"])
        headers = {"Authorization": f"Bearer {token}"}
        request = RequestFactory().get("/", headers=headers)
        user, who = for_django.CountersignAuthentication().authenticate(
            APIView().initialize_request(request)
        )
        self.assertEqual((str(user), user.pk, user.is_staff), ("ada", "7", True))
        self.assertTrue(user.is_authenticated and not user.is_anonymous and user.is_active)
        self.assertTrue(user.has_perms(["news.add_article"]) and user.has_module_perms("news"))
        self.assertFalse(user.has_perm("news.delete_article") or user.has_module_perms("shop"))
        self.assertEqual(who.claims["username"], "ada")

    def test_a_setting_that_cannot_stand_says_what_to_do(self):
        for told in (None, {}, {"ISSUER": ""}, {"ISSUER": ISSUER, "NO_SUCH": 1}):
            with self.subTest(told), override_settings(COUNTERSIGN=told):
                self.assertRaisesRegex(ImproperlyConfigured, "COUNTERSIGN", for_django.verifier)


def asking(app, reads=True):
    """How to ask an ASGI app; it answers with JSON where the test `reads` it."""

    def ask(method, path, token=None, headers=()):
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        if token:
            pairs.append(("Authorization", f"Bearer {token}"))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "server": ("test", 80),
            "client": ("127.0.0.1", 1),
            "headers": [(n.lower().encode(), v.encode()) for n, v in pairs],
        }
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        asyncio.run(app(scope, receive, send))
        body = b"".join(message.get("body", b"") for message in sent)
        told = {n.decode(): v.decode() for n, v in sent[0]["headers"]}
        return sent[0]["status"], lowered(told), json.loads(body or b"{}") if reads else None

    return ask


def lowered(headers):
    return {name.lower(): value for name, value in headers.items()}


if __name__ == "__main__":
    unittest.main()
