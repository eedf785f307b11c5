"""The API, in the form that Fastly's clients expect."""
