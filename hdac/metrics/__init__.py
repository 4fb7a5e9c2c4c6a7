"""Picture metrics, one file each."""
