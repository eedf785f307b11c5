"""The cost of connections, messages and bytes, beside HAProxy and nginx: `make bench-edge`."""
