#!/usr/bin/env python
"""Django's command line for Tollgate."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from portal.management.commands import edge

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    try:
        if sys.argv[1:2] == ["edge"]:
            # It needs the settings only: to load the portal takes three times as long.
            edge.Command().run_from_argv(sys.argv)
        else:
            execute_from_command_line(sys.argv)
    except (
        ImproperlyConfigured
    ) as error:  # a setting of the operator's: one line says it
        sys.exit(str(error))
    except BrokenPipeError:  # the reader has read enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
