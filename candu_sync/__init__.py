"""Data warehouse to Candu: SQL models, diffed against what Candu accepted, pushed as identify, group and track."""
