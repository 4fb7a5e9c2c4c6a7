"""The syntax of HEVC (Rec. ITU-T H.265), as far as its slices have to be read bin by bin and
written again."""
