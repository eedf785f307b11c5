"""The composition root: settings, URLs, and the commands that run everything."""
