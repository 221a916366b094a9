"""What is asked of the management API, and what is made of its answers."""

import asyncio
import http.server
import json
import threading
import unittest

from countersign_verify import Management, Problem
from countersign_verify.fetch import Answer

TOKEN = "cs_" + "a" * 38
ADA = {
    "active": True,
    "sub": "7",
    "username": "ada",
    "sid": "00000000000000ff",
    "exp": 1_800_000_300,
    "iat": 1_800_000_000,
    "token_use": "refresh",
    "is_staff": True,
    "is_superuser": False,
    "groups": ["editors"],
    "permissions": ["articles.publish"],
}


class World:
    """A management API that answers what it is given, and notes what it was asked."""

    def __init__(self, answer, status=200):
        self.answer, self.status, self.asked = answer, status, []
        self.management = Management("https://id.example.com/", TOKEN, send=self.send)

    def send(self, url, headers, most, body):
        self.asked.append((url, dict(headers), json.loads(body)))
        if isinstance(self.answer, Exception):
            raise self.answer
        is_bytes = isinstance(self.answer, bytes)
        body = self.answer if is_bytes else json.dumps(self.answer).encode()
        return Answer(self.status, "", body)


class Asking(unittest.TestCase):
    def test_a_browser_is_looked_at_by_its_cookies_and_nothing_but_they_travel(self):
        world = World({**ADA, "access_token": "a.b.c", "expires_in": 60})
        found = world.management.introspect(cookie="refreshtoken=x", access=True)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        body = {"cookie": "refreshtoken=x", "access": True}
        place = "https://id.example.com/manage/v1/introspect"
        self.assertEqual(world.asked, [(place, headers, body)])
        self.assertEqual((found.user.id, found.user.username), ("7", "ada"))
        self.assertTrue(found.user.is_staff and found.user.has_perm("articles.publish"))
        self.assertEqual((found.sid, found.token_use), (ADA["sid"], "refresh"))
        self.assertEqual((found.expires_at, found.access_token), (ADA["exp"], "a.b.c"))
        self.assertNotIn("a.b.c", repr(found))

    def test_a_browser_without_cookies_is_nobody_and_nobody_is_asked(self):
        world = World(ADA)
        self.assertIsNone(world.management.introspect(cookie=None))
        self.assertIsNone(world.management.introspect(cookie=""))
        self.assertEqual(world.asked, [])
        with self.assertRaises(TypeError):
            world.management.introspect("a.b.c", cookie="x=y")

    def test_a_ticket_is_redeemed_for_what_it_was_made_for(self):
        ticket = {**ADA, "token_use": "ticket"}
        del ticket["exp"], ticket["iat"]
        world = World(ticket)
        found = world.management.redeem_ticket("eNdb", "chat")
        place, _, body = world.asked[0]
        self.assertEqual(place, "https://id.example.com/manage/v1/tickets/redeem")
        self.assertEqual(body, {"ticket": "eNdb", "for": "chat"})
        self.assertEqual((found.token_use, found.expires_at, found.user.id), ("ticket", None, "7"))

    def test_what_is_not_good_is_nobody(self):
        world = World({"active": False})
        self.assertIsNone(world.management.introspect("a.b.c"))
        self.assertIsNone(asyncio.run(world.management.redeem_ticket_async("eNdb")))
        self.assertIsNone(asyncio.run(world.management.introspect_async("a.b.c")))

    def test_while_countersign_is_away_it_says_so_and_a_ticket_is_shown_once(self):
        for answer, status in [
            (b"oops", 502),
            ({}, 503),
            ({}, 429),
            (ConnectionError("refused"), 0),
            (b"x" * (1024 * 1024 + 1), 200),
        ]:
            world = World(answer, status)
            with self.assertRaises(Problem) as raised:
                world.management.redeem_ticket("eNdb")
            self.assertEqual(raised.exception.code, "unavailable")
            self.assertEqual(raised.exception.retry_after, 1)
            self.assertEqual(len(world.asked), 1)

    def test_a_service_token_that_is_refused_is_no_fault_of_the_user(self):
        world = World({"code": "token_invalid", "detail": "This service token is none."}, 401)
        with self.assertRaises(PermissionError) as raised:
            world.management.introspect("a.b.c")
        self.assertIn("token_invalid: This service token is none.", str(raised.exception))
        self.assertNotIn(TOKEN, str(raised.exception))

    def test_another_answer_is_not_believed(self):
        for answer in [
            {},
            [],
            {"active": "true"},
            {**ADA, "sub": 7},
            {**ADA, "sid": None},
            {**ADA, "token_use": ["access"]},
            b"<html>",
        ]:
            with self.subTest(answer), self.assertRaises(ValueError):
                World(answer).management.introspect("a.b.c")
        with self.assertRaises(PermissionError):
            World(b"", 302).management.introspect("a.b.c")

    def test_what_cannot_be_a_token_or_a_place_is_refused_at_once(self):
        for url, token in [
            ("id.example.com", TOKEN),
            ("https://id.example.com?x=1", TOKEN),
            (None, TOKEN),
            ("https://id.example.com", None),
            ("https://id.example.com", "a.b.c"),
            ("https://id.example.com", TOKEN + "\r\nx: y"),
            ("https://id.example.com", TOKEN + "\n"),
        ]:
            with self.subTest((url, token)), self.assertRaises(ValueError):
                Management(url, token)


class Served(unittest.TestCase):
    def setUp(self):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked.append((self.path, self.headers["Authorization"], body, self.client_address))
                answer = json.dumps(ADA).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def test_it_speaks_to_a_real_server_over_a_connection_that_is_kept(self):
        management = Management(f"http://127.0.0.1:{self.server.server_port}", TOKEN)
        for _ in range(2):
            self.assertEqual(management.introspect("a.b.c").user.id, "7")
        self.assertEqual(management.redeem_ticket("eNdb").user.id, "7")
        (first, second, ticket) = self.asked
        self.assertEqual(first[:2], ("/manage/v1/introspect", f"Bearer {TOKEN}"))
        self.assertEqual(first[3], second[3], "the connection is kept")
        self.assertEqual(ticket[0], "/manage/v1/tickets/redeem")
        self.assertNotEqual(ticket[3], first[3], "and not for a ticket")


if __name__ == "__main__":
    unittest.main()
