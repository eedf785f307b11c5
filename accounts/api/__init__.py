"""The API about people, tokens and the trail."""
