"""The user that simplejwt makes of a token: `settings.py` alone needs it."""

from rest_framework_simplejwt.models import TokenUser

from permissions import GROUPS


class GroupUser(TokenUser):
    """A user who may what their groups may."""

    def has_perm(self, perm, obj=None):
        return any(perm in GROUPS.get(group, ()) for group in self.token.get("groups", ()))
