"""As `settings.py`, with the package `countersign-verify`: a logout is felt within two seconds.

AUTH_URL=http://localhost:8000 python -m django runserver --settings settings_countersign 9000
"""

import os

from settings import *  # noqa: F403
from settings import AUTH_URL, REST_FRAMEWORK

from permissions import GROUPS

COUNTERSIGN = {
    "ISSUER": os.environ.get("AUTH_ISSUER", AUTH_URL),
    "URL": AUTH_URL,
    "AUDIENCE": os.environ.get("AUTH_AUDIENCE"),
    "GROUPS": GROUPS,
}

REST_FRAMEWORK = REST_FRAMEWORK | {
    "DEFAULT_AUTHENTICATION_CLASSES": ["countersign_verify.django.CountersignAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["countersign_verify.django.IsAuthenticated"],
}
