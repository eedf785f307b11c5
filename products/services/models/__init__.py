"""Services, their versions, parts and what hangs beneath parts."""

from products.services.models.item import Item
from products.services.models.part import Part
from products.services.models.service import Service, Version

__all__ = ["Item", "Part", "Service", "Version"]
