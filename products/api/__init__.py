"""The API, in the tongue of Fastly's clients."""
