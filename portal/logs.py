"""Log lines as JSON: one event a line, whatever is in it."""

import json
import logging
from datetime import UTC, datetime

# What every record carries; everything beyond was given as a field by the caller.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "request",
}


class JsonFormatter(logging.Formatter):
    """Format a record as one line of JSON; line breaks in any value stay escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line: time, level, logger, message, the caller's fields, the traceback."""
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
