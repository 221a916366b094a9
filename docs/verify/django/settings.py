"""A Django REST framework service that takes Countersign's access tokens with simplejwt alone.

    AUTH_URL=http://localhost:8000 python -m django runserver --settings settings 9000

Without the revocation list, a logout is felt here when the token expires:
`settings_countersign.py` adds it, and more.
"""

import os

from django.core.management.utils import get_random_secret_key

# Where Countersign is reached from here; and what its tokens say in `iss`, where that differs.
AUTH_URL = os.environ.get("AUTH_URL", "http://localhost:8000").rstrip("/")

SIMPLE_JWT = {
    "JWK_URL": f"{AUTH_URL}/.well-known/jwks.json",
    "ISSUER": os.environ.get("AUTH_ISSUER", AUTH_URL),
    # Countersign's `signing_algorithm`.
    "ALGORITHM": os.environ.get("AUTH_ALGORITHM", "EdDSA"),
    "USER_ID_CLAIM": "sub",
    # Nothing else that is signed with the same keys.
    "AUTH_TOKEN_CLASSES": ["tokens.CountersignToken"],
    # What a group may: this one knows.
    "TOKEN_USER_CLASS": "users.GroupUser",
    # Claims of simplejwt's own tokens, which these do not have.
    "TOKEN_TYPE_CLAIM": None,
    "JTI_CLAIM": None,
    # Seconds by which the clocks of two machines may differ.
    "LEEWAY": 5,
}

REST_FRAMEWORK = {
    # `request.user` is made of the token's claims: no user table is asked.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

# The rest is any project's. This one has no database.
# Another one at every start will do, as nothing here is signed with it.
SECRET_KEY = get_random_secret_key()
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"]
ROOT_URLCONF = "urls"
USE_TZ = True
