"""The layers of a stream, each with its two halves side by side: base, reference (refresh policy),
motion (keypoints)."""
