"""System checks of the portal, with ids and hints."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 - Django's names


@register()
def data_dir_is_writable(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Fail if the data folder cannot be written."""
    if os.access(settings.DATA_DIR, os.W_OK):
        return []
    return [
        Error(
            f"{settings.DATA_DIR} cannot be written.",
            hint="Set DATA_DIR to a folder that this user can write.",
            id="portal.E001",
        )
    ]


@register(deploy=True)
def secrets_are_private(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn if other users can read the file of a secret."""
    folder = Path(settings.DATA_DIR) / "secrets"
    loose = [path for path in folder.glob("*") if path.stat().st_mode & 0o077]
    return [
        Warning(
            f"{path} can be read by other users.",
            hint="Run chmod 600 on it.",
            id="portal.W001",
        )
        for path in loose
    ]
