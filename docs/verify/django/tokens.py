"""The tokens that simplejwt takes: `settings.py` alone needs it."""

import jwt
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken


class CountersignToken(AccessToken):
    """An access token. simplejwt takes whatever is signed with the same keys."""

    def verify(self):
        super().verify()
        # `et+jwt` may enrol a second factor and do nothing else. The header is signed too.
        if jwt.get_unverified_header(self.token).get("typ") != "at+jwt":
            raise TokenError("Token has wrong type")
