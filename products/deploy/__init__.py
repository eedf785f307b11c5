"""Puts versions live, or says every reason why not."""
