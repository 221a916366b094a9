"""Verify Countersign access tokens in a service of your own."""

from .identity import Identity, User
from .management import Introspection, Management
from .permissions import (
    AllowAny,
    Ask,
    Denied,
    HasFactor,
    HasPerm,
    InGroup,
    IsAuthenticated,
    IsAuthenticatedOrReadOnly,
    IsStaff,
    IsSuperuser,
    ModelPerm,
    Permission,
    RecentLogin,
)
from .problem import Problem
from .verifier import Verifier

__all__ = [
    "AllowAny",
    "Ask",
    "Denied",
    "HasFactor",
    "HasPerm",
    "Identity",
    "InGroup",
    "Introspection",
    "IsAuthenticated",
    "IsAuthenticatedOrReadOnly",
    "IsStaff",
    "IsSuperuser",
    "Management",
    "ModelPerm",
    "Permission",
    "Problem",
    "RecentLogin",
    "User",
    "Verifier",
]
