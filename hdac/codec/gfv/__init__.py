"""Standard streams: generative face video messages (Rec. ITU-T H.274) in VVC."""
