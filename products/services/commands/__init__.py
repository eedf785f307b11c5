"""Commands that change services, versions and parts."""
