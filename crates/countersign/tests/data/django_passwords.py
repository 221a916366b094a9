#!/usr/bin/env python3
"""What the real Django makes of passwords, as data for the tests of the password room.

    python -m venv venv && venv/bin/pip install 'django>=5.2,<6' argon2-cffi 'bcrypt<5'
    venv/bin/python django_passwords.py > django_passwords.json

(bcrypt 5 refuses passwords above 72 bytes, which every earlier version cuts; hashes made by those exist.)

    venv/bin/python django_passwords.py --check < ours.jsonl

reads lines {"password": …, "encoded": …} made by Countersign, and asks Django's check_password about each: the right password must
match, another must not, and Django configured with the same parameters must not want to hash again.
"""

import json
import random
import sys
import unicodedata

import django
from django.conf import settings

settings.configure(
    PASSWORD_HASHERS=[
        "django.contrib.auth.hashers.Argon2PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
        "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
        "django.contrib.auth.hashers.BCryptPasswordHasher",
        "django.contrib.auth.hashers.ScryptPasswordHasher",
    ],
    AUTH_PASSWORD_VALIDATORS=[
        {"NAME": "django.contrib.auth.password_validation." + name}
        for name in (
            "UserAttributeSimilarityValidator",
            "MinimumLengthValidator",
            "CommonPasswordValidator",
            "NumericPasswordValidator",
        )
    ],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
)
django.setup()

import argon2  # noqa: E402
import bcrypt  # noqa: E402
from django.contrib.auth import hashers  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.auth.password_validation import validate_password  # noqa: E402
from django.core.exceptions import ValidationError  # noqa: E402

PASSWORDS = [
    "correct horse battery staple",
    " spaces around ",
    "",
    "caf\u00e9 cr\u00e8me",  # composed
    "cafe\u0301 cre\u0300me",  # decomposed
    "пароль-密码-🔑",
    "\u212bngstro\u0308m",  # the Angstrom sign: not composed, and not plain either
    "tab\tand\nnewline",
    "x" * 71,
    "y" * 72,
    "z" * 73,
    "é" * 500,  # 1,000 bytes
]

CHEAP = {
    "argon2": {"time_cost": 1, "memory_cost": 64, "parallelism": 1},
    "pbkdf2_sha256": {"iterations": 1000},
    "pbkdf2_sha1": {"iterations": 1000},
    "bcrypt_sha256": {"rounds": 4},
    "bcrypt": {"rounds": 4},
    "scrypt": {"work_factor": 16, "parallelism": 2},
}


def hasher(algorithm, **changes):
    made = type(hashers.get_hasher(algorithm))()
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def encoded(made, password):
    line = made.encode(password, made.salt())
    assert hashers.check_password(password, line)
    return line


def hashes():
    for algorithm, cheap in CHEAP.items():
        for password in PASSWORDS:
            yield algorithm, "cheap", password, encoded(hasher(algorithm, **cheap), password)
        yield algorithm, "default", PASSWORDS[0], encoded(hasher(algorithm), PASSWORDS[0])
    lanes = hasher("argon2", time_cost=3, memory_cost=256, parallelism=4)
    yield "argon2", "lanes", PASSWORDS[3], encoded(lanes, PASSWORDS[3])
    # argon2 as other programs made it: other variants, lengths and the old version.
    low = argon2.low_level
    for kind, version, length in (
        (low.Type.I, 19, 32), (low.Type.D, 19, 32), (low.Type.ID, 19, 16), (low.Type.ID, 19, 64), (low.Type.I, 16, 32),
    ):
        line = low.hash_secret(PASSWORDS[0].encode(), b"sixteen bytes ok", 2, 64, 1, length, kind, version).decode()
        line = "argon2" + line
        assert hashers.check_password(PASSWORDS[0], line)
        yield "argon2", f"{kind.name} {version} {length}", PASSWORDS[0], line
    # bcrypt as PHP and old libraries mark it.
    for mark in (b"2a", b"2y"):
        salt = bcrypt.gensalt(4).replace(b"2b", mark)
        line = "bcrypt$" + bcrypt.hashpw(PASSWORDS[0].encode(), salt).decode()
        yield "bcrypt", mark.decode(), PASSWORDS[0], line


def people():
    yield {"username": "margaret", "first_name": "Margaret", "last_name": "Hamilton", "email": "margaret.hamilton@example.com"}
    yield {"username": "zoë_99", "first_name": "Zoë", "last_name": "D'Arcy-Smith", "email": "z.darcy+list@mail.example.co.uk"}
    yield {"username": "", "first_name": "", "last_name": "", "email": ""}
    yield {"username": "иван", "first_name": "Иван", "last_name": "Петров", "email": "ivan@пример.рф"}
    yield {"username": "a", "first_name": "B", "last_name": "李", "email": "a@b.c"}
    yield {"username": "STRASSE", "first_name": "İpek", "last_name": "Ὀδυσσεύς", "email": "@@"}


def candidates(person, draw):
    common = ["password", "PASSWORD1", "qwertyuiop", " iloveyou ", "12345678", "football1", "пароль", "trustno1", "letmein", "йцукен",
              "qwerty123456789", "sunshine", "princess1", "\x1cpassword\x1f", "friend of emily", "baseball1x"]
    digits = ["87418252098", "٧٦٥٤٣٢١٠٩", "⁷⁷⁷⁷⁷⁷⁷⁷", "½½½½½½½½½", "①②③④⑤⑥⑦⑧", "七七七七七七七七", "1234 5678 9", "9" * 300, "७७७७७७७७", "12345678x"]
    short = ["", "a", "1", "sev7n_x", "eight8_x", "🔑🔑🔑🔑🔑🔑🔑", "🔑🔑🔑🔑🔑🔑🔑🔑", "é" * 7, "é" * 8]
    good = ["tin kettle 14", "correct horse battery staple", "k" * 900, "Ab" * 60]
    yield from common + digits + short + good
    for value in person.values():
        for text in (value, value[::-1], value.upper(), value + "1", value + "12345", "xx" + value + "yy", value[: len(value) // 2] + "quzwv", value * 9):
            yield text
        for _ in range(3):
            letters = list(value + "q7_z"[: draw.randrange(5)])
            draw.shuffle(letters)
            yield "".join(letters)


def verdicts():
    draw = random.Random(7)
    seen = set()
    for person in people():
        user = User(**person)
        for password in candidates(person, draw):
            password = unicodedata.normalize("NFC", password)
            key = (person["username"], password)
            if key in seen:
                continue
            seen.add(key)
            try:
                validate_password(password, user)
                codes = []
            except ValidationError as error:
                codes = [one.code for one in error.error_list]
            yield {"password": password, **person, "codes": codes}


def check():
    bad = 0
    count = 0
    for line in sys.stdin:
        row = json.loads(line)
        count += 1
        right = hashers.check_password(row["password"], row["encoded"])
        wrong = hashers.check_password(row["password"] + "x", row["encoded"])
        kind = hasher("argon2")
        params = argon2.extract_parameters(row["encoded"].removeprefix("argon2"))
        kind.time_cost, kind.memory_cost, kind.parallelism = params.time_cost, params.memory_cost, params.parallelism
        again = kind.must_update(row["encoded"])
        if not right or wrong or again:
            bad += 1
            print(f"line {count}: right={right} wrong={wrong} would hash again={again}")
    print(f"Django {django.get_version()}: {count} lines, {bad} bad")
    return 1 if bad or not count else 0


def main():
    if "--check" in sys.argv[1:]:
        return check()
    data = {
        "made_by": f"Django {django.get_version()}, argon2-cffi {argon2.__version__}, bcrypt {bcrypt.__version__}",
        "hashes": [dict(zip(("algorithm", "cost", "password", "encoded"), row)) for row in hashes()],
        "validation": list(verdicts()),
    }
    json.dump(data, sys.stdout, ensure_ascii=False, indent=0)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
