"""How the issuer is followed: keys that come and go, sessions that end, absences."""

import asyncio
import http.server
import logging
import os
import socket
import threading
import time
import unittest

from countersign_verify import Problem, Verifier
from countersign_verify.fetch import Answer, Connection
from world import DISCOVERY, ISSUER, KEYS, LIST, OTHER_SID, SID, Key, World, b64


class Following(unittest.TestCase):
    def setUp(self):
        logging.getLogger("countersign_verify").setLevel(logging.CRITICAL)
        self.addCleanup(logging.getLogger("countersign_verify").setLevel, logging.NOTSET)

    def test_the_issuer_says_itself_where_keys_and_list_are(self):
        world = World()
        self.assertIsNone(world.code(world.token()))
        self.assertEqual(world.asked, [DISCOVERY, KEYS, LIST])

    def test_es256_is_taken_as_eddsa_is(self):
        world = World()
        world.keys = [Key("ec", "ES256")]
        self.assertIsNone(world.code(world.token()))

    def test_a_logout_is_felt_at_the_next_look_and_nobody_else_is_logged_out(self):
        world = World()
        token, other = world.token(), world.token(sid=OTHER_SID)
        self.assertIsNone(world.code(token))
        world.ended.append(SID)
        world.tick()
        self.assertEqual(world.code(token), "session_revoked")
        self.assertIsNone(world.code(other))
        self.assertFalse(world.verifier.is_live(SID))
        self.assertTrue(world.verifier.is_live(OTHER_SID))
        # The lists that come after tell nothing new, and take nothing back.
        world.tick()
        self.assertEqual(world.asked[-1], f"{LIST}?since=1")
        self.assertEqual(world.code(token), "session_revoked")

    def test_an_ending_is_forgotten_when_no_token_of_the_session_can_be_good(self):
        world = World()
        world.ended = [SID]
        world.verifier.ready()
        self.assertFalse(world.verifier.is_live(SID))
        world.ended = []
        for _ in range(12):
            world.tick(35)
        self.assertTrue(world.verifier.is_live(SID))

    def test_inventors_of_keys_ask_no_more_than_every_ten_seconds(self):
        world = World()
        world.verifier.ready()
        invented = Key("invented").sign("at+jwt", world.claims())
        before = world.count(KEYS)
        world.tick(10)
        for _ in range(20):
            self.assertEqual(world.code(invented), "token_invalid")
        self.assertEqual(world.count(KEYS), before + 1)
        world.keys.append(Key("second"))
        # The list is signed with it by now, too: that is no stranger's invention.
        world.tick()
        self.assertIsNone(world.code(world.token()))
        self.assertEqual(world.count(KEYS), before + 2)

    def test_a_token_of_a_new_key_waits_for_the_key_and_many_ask_once(self):
        world = World()
        world.verifier.ready()
        world.tick(10)
        world.keys.append(Key("second"))
        tokens = [world.token(sid=f"000000000000000{n}") for n in range(1, 9)]
        before = world.count(KEYS)
        codes = [""] * len(tokens)

        def ask(at):
            codes[at] = world.code(tokens[at])

        threads = [threading.Thread(target=ask, args=(at,)) for at in range(len(tokens))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(codes, [None] * len(tokens))
        self.assertEqual(world.count(KEYS), before + 1)

    def test_a_key_that_has_gone_counts_for_a_minute_and_its_remembered_tokens_with_it(self):
        world = World()
        old = world.token()
        self.assertIsNone(world.code(old))
        world.keys = [Key("second")]
        world.instead[LIST] = lambda most: Answer(502, "", b"")
        world.tick(58)
        self.assertIsNone(world.code(old))
        world.instead.clear()
        world.tick(2)
        self.assertEqual(world.code(old), "token_invalid")

    def test_while_the_issuer_is_away_what_is_known_counts_and_then_nobody_gets_in(self):
        world = World(max_staleness=30)
        token = world.token()
        self.assertIsNone(world.code(token))

        def away(most):
            raise ConnectionRefusedError("refused")

        for path in (KEYS, LIST, DISCOVERY):
            world.instead[path] = away
        logging.getLogger("countersign_verify").setLevel(logging.WARNING)
        with self.assertLogs("countersign_verify") as logs:
            for _ in range(30):
                world.tick()
            self.assertIsNone(world.code(token))
            world.tick()
        self.assertEqual(world.code(token), "unavailable")
        self.assertFalse(world.verifier.is_ready)
        # Told once, not every second.
        self.assertEqual(len(logs.output), 1)
        self.assertRegex(logs.output[0], "id.example.com.*refused")
        world.instead.clear()
        world.tick()
        self.assertIsNone(world.code(token))

    def test_an_issuer_that_was_never_there_lets_nobody_in_and_is_asked_again(self):
        world = World()
        for path in (KEYS, DISCOVERY):
            world.instead[path] = lambda most: Answer(500, "", b"no")
        token = world.token()
        self.assertEqual(world.code(token), "unavailable")
        with self.assertRaises(Problem) as refused:
            world.verifier.check("GET", {})
        self.assertEqual(refused.exception.code, "not_authenticated")
        world.instead.clear()
        world.tick()
        self.assertIsNone(world.code(token))

    def test_an_old_list_out_of_a_cache_does_not_count_for_ever(self):
        world = World(max_staleness=30)
        world.verifier.ready()
        frozen = world.fetch(ISSUER + LIST, {}, 0)
        world.instead[LIST] = lambda most: frozen
        token = world.token(exp=world.now + 340)
        for _ in range(151):
            world.tick()
        self.assertEqual(world.code(token), "unavailable")

    def test_a_list_says_with_its_tag_alone_that_nothing_changed(self):
        world = World()
        world.verifier.ready()
        before = world.count(LIST)
        world.tick()
        self.assertEqual(world.count(LIST), before + 1)
        self.assertTrue(world.verifier.is_ready)
        # One that nobody asked about is none.
        world.instead[LIST] = lambda most: Answer(304, "", b"")
        logging.getLogger("countersign_verify").setLevel(logging.WARNING)
        with self.assertLogs("countersign_verify") as logs:
            world.tick(120)
        self.assertIn("nothing changed, and was not asked", logs.output[0])

    def test_a_clock_that_goes_back_reads_the_endings_anew(self):
        world = World()
        world.ended = [SID]
        world.verifier.ready()
        world.now -= 1000
        world.tick()
        self.assertEqual(world.asked[-1], LIST)
        self.assertFalse(world.verifier.is_live(SID))
        self.assertIsNone(world.code(world.token(sid=OTHER_SID)))

    def test_more_sessions_ended_than_a_list_can_name(self):
        world = World()
        old = world.token()
        self.assertIsNone(world.code(old))
        world.list_more = {"issued_after": world.now}
        world.ended.append("0000000000000001")
        world.tick()
        self.assertEqual(world.code(old), "token_expired")
        world.list_more = {}
        world.ended.append("0000000000000002")
        world.tick()
        self.assertEqual(world.code(old), "token_expired")
        self.assertIsNone(world.code(world.token()))

    def test_a_process_that_slept_asks_before_it_answers(self):
        world = World()
        token = world.token()
        self.assertIsNone(world.code(token))
        world.ended.append(SID)
        world.now += 100
        world.mono += 100
        self.assertEqual(world.code(token), "session_revoked")

    def test_nobody_counts_as_live_by_news_that_is_too_old(self):
        world = World()
        self.assertFalse(world.verifier.is_live(OTHER_SID))
        world.verifier.ready()
        self.assertTrue(world.verifier.is_live(OTHER_SID))
        world.now += 301
        self.assertFalse(world.verifier.is_live(OTHER_SID))
        world.tick()
        self.assertTrue(world.verifier.is_live(OTHER_SID))

    def test_an_issuer_that_does_not_answer_slows_no_request_down(self):
        world = World()
        token = world.token()
        self.assertIsNone(world.code(token))
        begun, over = threading.Event(), threading.Event()

        def slow(most):
            begun.set()
            over.wait()
            return Answer(502, "", b"")

        world.instead[LIST] = slow
        thread = threading.Thread(target=world.verifier._issuer.turn)
        thread.start()
        begun.wait()
        world.mono += 4
        self.assertIsNone(world.code(token))
        over.set()
        thread.join()

    def test_the_document_of_another_issuer_or_origin_is_not_believed(self):
        for told in (
            {"issuer": "https://evil.example.com"},
            {"issuer": f"{ISSUER}/"},
            {"jwks_uri": f"https://evil.example.com{KEYS}"},
            {"jwks_uri": f"http://id.example.com{KEYS}"},
            {"jwks_uri": f"https://id.example.com@evil.example.com{KEYS}"},
            {"jwks_uri": "file:///etc/passwd"},
            {"jwks_uri": 7},
            {"revocations_uri": f"https://id.example.com.evil.com{LIST}"},
            {"revocations_uri": None},
        ):
            with self.subTest(told):
                world = World()
                world.told = told
                self.assertEqual(world.code(world.token()), "unavailable")
                self.assertEqual(world.asked, [DISCOVERY])

    def test_nothing_is_read_without_an_end(self):
        for path in (KEYS, LIST, DISCOVERY):
            with self.subTest(path):
                world = World()
                world.instead[path] = lambda most: Answer(200, "", b" " * (most + 1))
                self.assertEqual(world.code(world.token()), "unavailable")
        for status in (204, 301, 302, 404):
            with self.subTest(status):
                world = World()
                world.instead[KEYS] = lambda most, status=status: Answer(status, "", b"")
                self.assertEqual(world.code(world.token()), "unavailable")

    def test_a_header_that_is_nested_without_end_is_refused(self):
        world = World()
        head = b'{"typ":"at+jwt","alg":"EdDSA","kid":"first","x":' + b"[" * 2900 + b"]" * 2900
        token = f"{b64(head + b'}')}.e30.AAAA"
        self.assertLess(len(token), 8192)
        self.assertEqual(world.code(token), "token_invalid")
        self.assertEqual(world.code(f"{b64(head[:-2900])}.e30.AAAA"), "token_invalid")
        digits = b'{"typ":"at+jwt","alg":"EdDSA","kid":"first","x":' + b"9" * 5000 + b"}"
        self.assertEqual(world.code(f"{b64(digits)}.e30.AAAA"), "token_invalid")

    def test_what_one_handler_does_to_the_claims_is_not_seen_by_the_next(self):
        world = World()
        token = world.token(groups=["editors"])
        who = world.verifier.verify(token)
        who.claims["sub"] = "1"
        who.claims["groups"].append("staff")
        again = world.verifier.verify(token)
        self.assertEqual((again.claims["sub"], again.claims["groups"]), ("7", ["editors"]))
        self.assertFalse(again.in_group("staff"))
        with self.assertRaises(AttributeError):
            who.user.is_staff = True

    def test_an_event_loop_never_waits_for_the_issuer(self):
        world = World()
        threads = set()
        fetch = world.fetch

        def noted(*asked):
            threads.add(threading.current_thread())
            return fetch(*asked)

        world.verifier = Verifier(ISSUER, **{**world.options, "fetch": noted})
        headers = [(b"authorization", b"Bearer " + world.token().encode())]

        async def ask():
            who = await world.verifier.check_async("GET", headers)
            world.keys.append(Key("second"))
            world.mono += 10
            return who, await world.verifier.verify_async(world.token())

        who, other = asyncio.run(ask())
        self.assertEqual((who.user.id, other.user.id), ("7", "7"))
        self.assertNotIn(threading.main_thread(), threads)

    def test_an_issuer_that_does_not_answer_leaves_the_threads_of_the_app_alone(self):
        world = World()
        over = threading.Event()

        def slow(most):
            over.wait()
            return Answer(502, "", b"")

        world.instead[DISCOVERY] = slow
        headers = [(b"authorization", b"Bearer " + world.token().encode())]

        async def ask():
            checks = [world.verifier.check_async("GET", headers) for _ in range(40)]
            asked = asyncio.gather(*checks, return_exceptions=True)
            try:
                await asyncio.sleep(0.1)
                threads = threading.active_count()
                await asyncio.wait_for(asyncio.to_thread(int), 5)
            finally:
                over.set()
            return threads, await asked

        before = threading.active_count()
        threads, problems = asyncio.run(ask())
        self.assertEqual({problem.code for problem in problems}, {"unavailable"})
        self.assertLessEqual(threads - before, 4)

    def test_a_setting_that_cannot_stand_is_refused_at_start(self):
        for issuer, options in (
            ("", {}),
            ("auth.example.com", {}),
            ("ftp://auth.example.com", {}),
            ("https://user:secret@auth.example.com", {}),
            ("https://auth.example.com/?x", {}),
            ("https://auth.example.com:port", {}),
            ("https://auth.example.com/\r\nX: y", {}),
            ("ours", {"url": "nowhere"}),
            (ISSUER, {"audience": ""}),
            (ISSUER, {"audience": ["shop"]}),
            (ISSUER, {"poll_interval": 0.01}),
            (ISSUER, {"poll_interval": float("nan")}),
            (ISSUER, {"max_staleness": 0}),
        ):
            with self.subTest((issuer, options)), self.assertRaises((TypeError, ValueError)):
                Verifier(issuer, **options)
        Verifier("ours", url="http://auth.internal:8000/")


class Thread(unittest.TestCase):
    """The thread that asks, over a real socket."""

    def setUp(self):
        self.world = world = World()
        world.now = int(time.time())

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                answer = world.fetch(self.path, self.headers, 0)
                self.send_response(answer.status)
                self.send_header("ETag", answer.tag)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.verifier = Verifier(ISSUER, url=self.url, poll_interval=0.05)
        self.addCleanup(self.verifier.close)

    def test_a_logout_is_felt_without_being_asked_about(self):
        token = self.world.token()
        self.assertEqual(self.verifier.verify(token).user.id, "7")
        self.world.ended.append(SID)
        eventually(lambda: not self.verifier.is_live(SID))
        with self.assertRaises(Problem):
            self.verifier.verify(token)

    def idle(self):
        """A verifier that nobody has asked for more than a minute, by its clock."""
        clock = [1000.0]
        options = {"poll_interval": 0.05, "monotonic": lambda: clock[0]}
        verifier = Verifier(ISSUER, url=self.url, **options)
        self.addCleanup(verifier.close)
        verifier.verify(self.world.token(sid=OTHER_SID))
        clock[0] += 61
        eventually(lambda: verifier._issuer._thread is None)
        return verifier

    def test_a_process_that_only_has_streams_hears_of_endings(self):
        verifier = self.idle()
        self.world.ended.append(SID)
        eventually(lambda: not verifier.is_live(SID))
        self.assertTrue(verifier.is_live(OTHER_SID))

    def test_a_probe_before_the_first_request_of_an_idle_process_opens_no_gap_for_it(self):
        probes = (lambda verifier: verifier.is_ready, lambda verifier: verifier.is_live(SID))
        for probe in probes:
            self.world.ended.clear()
            verifier = self.idle()
            self.world.ended.append(SID)
            probe(verifier)
            self.assertTrue(refused(verifier, self.world.token()))

    def test_an_idle_process_that_is_asked_whether_it_is_ready_goes_on_asking(self):
        eventually(lambda: self.verifier.is_ready)
        verifier = self.idle()
        before = self.world.count(LIST)
        eventually(lambda: verifier.is_ready and self.world.count(LIST) > before + 2)

    def test_closing_ends_the_thread_and_the_next_request_begins_anew(self):
        token = self.world.token()
        self.verifier.verify(token)
        self.verifier.close()
        eventually(lambda: self.verifier._issuer._thread is None)
        self.world.ended.append(SID)
        eventually(lambda: refused(self.verifier, token))

    @unittest.skipUnless(hasattr(os, "fork"), "there is no fork here")
    def test_a_process_that_was_forked_hears_of_endings(self):
        token = self.world.token()
        self.verifier.verify(token)
        read, write = os.pipe()
        go, let = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                before = refused(self.verifier, token)
                os.write(write, b"r")
                os.read(go, 1)
                eventually(lambda: refused(self.verifier, token))
                os.write(write, b"n" if before else b"y")
            finally:
                os._exit(0)
        os.close(write)
        self.assertEqual(os.read(read, 1), b"r")
        self.world.ended.append(SID)
        os.write(let, b"x")
        self.assertEqual(os.read(read, 1), b"y")
        os.waitpid(child, 0)

    def test_a_kept_connection_that_was_closed_is_made_anew(self):
        fetch = Connection()
        self.addCleanup(fetch.close)
        self.assertEqual(fetch(self.url + KEYS, {}, 1024 * 1024).status, 200)
        kept = fetch._open.sock
        self.assertEqual(fetch(self.url + KEYS, {}, 1024 * 1024).status, 200)
        self.assertIs(fetch._open.sock, kept)
        kept.shutdown(socket.SHUT_RDWR)
        self.assertEqual(fetch(self.url + KEYS, {}, 1024 * 1024).status, 200)
        # More than may be read is not read.
        self.assertEqual(len(fetch(self.url + KEYS, {}, 3).body) > 3, True)
        self.assertEqual(fetch(self.url + KEYS, {}, 1024 * 1024).status, 200)


def refused(verifier, token):
    try:
        verifier.verify(token)
    except Problem as problem:
        return problem.code == "session_revoked"
    return False


def eventually(is_so):
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.025)
    raise AssertionError("it never came")


if __name__ == "__main__":
    unittest.main()
