"""As `settings.py`, and a logout is felt within two seconds.

AUTH_URL=http://localhost:8000 python -m django runserver --settings settings_revocations 9000
"""

from settings import *  # noqa: F403
from settings import REST_FRAMEWORK

REST_FRAMEWORK = REST_FRAMEWORK | {
    "DEFAULT_AUTHENTICATION_CLASSES": ["authentication.CountersignAuthentication"]
}
