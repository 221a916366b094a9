"""What a group may."""

from rest_framework.permissions import BasePermission

# With Countersign's `extra_claims = ["groups"]` a token names the groups of its user, and stays
# short however many permissions these have.
GROUPS = {"editors": {"articles.add", "articles.publish"}, "authors": {"articles.add"}}


class Permitted(BasePermission):
    """Lets those through who have the view's permission."""

    def has_permission(self, request, view):
        return request.user.is_authenticated and request.user.has_perm(view.permission)
