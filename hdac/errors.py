"""The errors that hdac raises. Each message names the value, the allowed range and the way out."""

from __future__ import annotations


class HdacError(Exception):
    """Base class; the command line turns it into exit code 1."""


class UsageError(HdacError, ValueError):
    """Bad input or a bad setting (exit code 2)."""


class StreamError(HdacError):
    """An .hdac stream that cannot be decoded: not ours, too new, cut short or damaged (exit code
    2)."""


class TruncatedError(StreamError):
    """The stream ends too early."""


class DamagedError(StreamError):
    """A checksum or a syntax rule does not hold."""


class IncompleteError(HdacError):
    """A stream was decoded as far as it verifies; says what is missing (exit code 1)."""


class ToolError(HdacError):
    """An external program (FFmpeg) is missing, failed or took too long (exit code 1)."""
