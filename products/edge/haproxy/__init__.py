"""The fleet engine: HAProxy carries the bytes, an agent beside it gates and meters."""
