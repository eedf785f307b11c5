"""Services, their versions, and what a version holds."""

from products.services.models.config import (
    KINDS,
    Backend,
    Domain,
    Header,
    LogEndpoint,
    Snippet,
    Vcl,
    VersionObject,
)
from products.services.models.service import Service, Version

__all__ = [
    "KINDS",
    "Backend",
    "Domain",
    "Header",
    "LogEndpoint",
    "Service",
    "Snippet",
    "Vcl",
    "Version",
    "VersionObject",
]
