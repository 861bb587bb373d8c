"""What Dagster loads. Assets of your own stand here, beside those of the syncs."""
