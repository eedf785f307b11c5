"""Who gets what answer where: every address, every person, every method."""
