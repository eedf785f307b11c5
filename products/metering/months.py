"""Calendar months; they are in `products.months`, which the edge uses too."""

from products.months import REPORT_WINDOW, Month

__all__ = ["REPORT_WINDOW", "Month"]
