"""The layers of a stream, each with its two halves side by side: base, and reference (refresh
policy)."""
