"""Log lines as JSON: one record per line."""

import json
import logging
from datetime import UTC, datetime

# The attributes of every record; all others are fields that the caller has added.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "request",
}


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON; line breaks in values are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line: time, level, logger, message, the caller's fields, traceback."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {
            key: str(value)
            for key, value in vars(record).items()
            if key not in STANDARD
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)
