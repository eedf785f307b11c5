"""Who you are, what you may do, what was done."""
