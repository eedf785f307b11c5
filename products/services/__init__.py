"""Services, their versions and parts."""
