"""Services, their versions and parts."""

from products.services.models.config import (
    PART_KINDS,
    Backend,
    Domain,
    Header,
    LogEndpoint,
    Part,
    Snippet,
    Vcl,
)
from products.services.models.service import Service, Version

__all__ = [
    "PART_KINDS",
    "Backend",
    "Domain",
    "Header",
    "LogEndpoint",
    "Part",
    "Service",
    "Snippet",
    "Vcl",
    "Version",
]
