"""The cases of tests/verify-cases.json, which the crate countersign-verify is tested with too."""

import json
import unittest
from dataclasses import asdict
from pathlib import Path

import countersign_verify
from countersign_verify import Problem, Verifier
from countersign_verify.fetch import Answer

FILE = json.loads(
    (Path(__file__).resolve().parents[3] / "tests/verify-cases.json").read_text("utf-8")
)


class Cases(unittest.TestCase):
    def test_every_case_is_answered_as_the_file_says(self):
        verifiers = {}
        for case in FILE["cases"]:
            told = [case.get(name) for name in ("key_set", "list", "settings", "now")]
            name = json.dumps(told)
            if name not in verifiers:
                verifiers[name] = following(*told)
            with self.subTest(case["name"]):
                expected = expectation(case["answer"])
                self.assertEqual(answer(verifiers[name], case), expected)
                # What was verified once is remembered, and counts no more than before.
                self.assertEqual(answer(verifiers[name], case), expected)

    def test_there_are_as_many_cases_as_there_should_be(self):
        self.assertGreater(len(FILE["cases"]), 300)


def following(key_set, revocations, settings, now):
    pages = {
        "https://inside.example/.well-known/jwks.json": json.dumps(
            FILE["key_sets"][key_set or "usual"]
        ),
        "https://inside.example/.well-known/revocations": FILE["lists"][revocations or "usual"],
    }

    def fetch(url, headers, most):
        return Answer(200, "", pages[url.split("?")[0]].encode())

    return Verifier(
        FILE["issuer"],
        url="https://inside.example",
        fetch=fetch,
        clock=lambda: now or FILE["now"],
        monotonic=lambda: 0.0,
        follows=False,
        **(settings or {}),
    )


def answer(verifier, case):
    permission = named(case["permission"]) if "permission" in case else None
    try:
        who = verifier.check(
            case.get("method", "GET"),
            [tuple(header) for header in case["headers"]],
            permission,
            preflights=case.get("preflights", False),
        )
    except Problem as problem:
        headers = problem.headers
        return {
            "status": problem.status,
            "kind": headers["Content-Type"],
            "challenge": headers.get("WWW-Authenticate"),
            "retry_after": headers.get("Retry-After"),
            "body": json.loads(problem.body),
        }
    user = None if who is None else asdict(who.user)
    return {"user": json.loads(json.dumps(user))}


def expectation(told):
    if "code" not in told:
        return told
    usual = FILE["problems"][told["code"]]
    return {
        "status": usual["status"],
        "kind": "application/problem+json",
        "challenge": told.get("challenge", usual["challenge"]),
        "retry_after": told.get("retry_after"),
        "body": {
            "type": f"urn:countersign:problem:{told['code']}",
            "title": usual["title"],
            "status": usual["status"],
            "detail": told.get("detail", usual["detail"]),
            "code": told["code"],
        },
    }


def named(told):
    """A permission of the file."""
    name, *rest = told
    if name == "And":
        return named(rest[0]) & named(rest[1])
    if name == "Or":
        return named(rest[0]) | named(rest[1])
    if name == "Not":
        return ~named(rest[0])
    return getattr(countersign_verify, name)(*rest)


if __name__ == "__main__":
    unittest.main()
