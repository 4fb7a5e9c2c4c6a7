"""Motion models: what is sent in place of pixels, one file a system (analysis, coding, and what its
network makes of it)."""
