"""Frames in, frames out: readers, writers, colour, finding and running FFmpeg."""
