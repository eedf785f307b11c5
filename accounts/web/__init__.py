"""The pages about people: sign-in, members, tokens, the trail."""
