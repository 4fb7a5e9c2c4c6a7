"""Bytes: the .hdac container, lossless compression of NAL units, the integer range coder. Knows
nothing of torch."""
