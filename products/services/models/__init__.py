"""Services, their versions and parts."""

from products.services.models.part import Part
from products.services.models.service import Service, Version

__all__ = ["Part", "Service", "Version"]
