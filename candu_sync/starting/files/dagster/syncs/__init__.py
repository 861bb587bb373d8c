"""What Dagster loads. Put assets of your own here, next to those of the syncs."""
