"""Training: packs of coded clips, losses, the loop."""
