"""Versions, claims and receipts, on a disk or an object store. Nothing in here knows what the rows mean."""
