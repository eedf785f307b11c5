"""The edge beside HAProxy and nginx: what a connection, a message and a byte cost."""
