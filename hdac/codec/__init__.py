"""Encoder and Decoder: streaming state machines that join layers, networks and bitstream."""
