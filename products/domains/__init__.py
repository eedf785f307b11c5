"""Which account owns which host name: domain claims, and the domains of active versions."""
