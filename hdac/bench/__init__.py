"""The bench: what hdac is measured against."""
