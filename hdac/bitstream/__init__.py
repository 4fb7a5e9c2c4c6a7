"""Bytes: the .hdac container, lossless thinning of NAL units, the integer range coder. Knows
nothing of torch."""
