"""Commands of the audit storey."""
