"""The demo: a made-up warehouse, a normal day's change of it, and the demo's story."""
