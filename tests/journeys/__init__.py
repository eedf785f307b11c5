"""What people do on the pages, step by step in a real browser, against a live server."""
