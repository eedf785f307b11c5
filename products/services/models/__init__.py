"""Services, their versions, and what a version holds."""

from products.services.models.config import (
    PART_KINDS,
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
    "PART_KINDS",
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
