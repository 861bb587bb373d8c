"""The demo: a made-up warehouse, a normal day's change of it, and the story told with them."""
