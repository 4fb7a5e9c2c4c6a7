"""VVC (Rec. ITU-T H.266): what its slice data says, bin by bin."""
