"""hdac: the hybrid deep animation codec."""

__version__ = "0.1.0"
