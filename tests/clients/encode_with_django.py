"""Django's own password hashers, at their own cost: what an imported user table holds, and who must
read ours.
"""

import sys

from django.conf import settings

HASHERS = [
    "Argon2PasswordHasher",
    "PBKDF2PasswordHasher",
    "PBKDF2SHA1PasswordHasher",
    "BCryptSHA256PasswordHasher",
    "BCryptPasswordHasher",
    "ScryptPasswordHasher",
]
settings.configure(PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}" for name in HASHERS])

from django.contrib.auth.hashers import check_password, get_hashers  # noqa: E402

_server, what, password, *rest = sys.argv[1:]
if what == "encode":
    for hasher in get_hashers():
        print(hasher.encode(password, hasher.salt()))
else:
    assert check_password(password, rest[0]), rest[0]
    assert not check_password(password + "x", rest[0])
