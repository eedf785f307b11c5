"""The portal's pages about products, services and what they cost."""
