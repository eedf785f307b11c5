"""Products, plans and prices."""
