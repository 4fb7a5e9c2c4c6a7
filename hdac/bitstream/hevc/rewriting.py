"""Parameter sets of HEVC, changed: bits taken out and put in.

(Rec. ITU-T H.265, clauses 7.3.2.2.1, 7.3.2.11 and 9.2.)
"""

from __future__ import annotations

from hdac.bitstream.hevc.parameters import UnsupportedError, read_sps

MAX_PCM_BLOCK = 5  # log2 of the largest PCM block's side that HEVC allows


def unsigned(value: int) -> str:
    """Exp-Golomb code, as a text of bits."""
    text = f"{value + 1:b}"
    return "0" * (len(text) - 1) + text


def to_bytes(text: str) -> bytes:
    """Bits and the trailing ones (clause 7.3.2.11)."""
    text += "1"
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def _text(payload: bytes) -> str:
    """Bits behind the NAL header, without the trailing ones."""
    return "".join(f"{byte:08b}" for byte in payload[2:]).rstrip("0")[:-1]


def allow_pcm(payload: bytes) -> bytes:
    """A sequence parameter set without PCM blocks -> the same with, of every size, not deblocked.
    Raises `UnsupportedError`."""
    sps = read_sps(payload)
    if sps.pcm:
        raise UnsupportedError("a sequence that has PCM blocks already")
    text = _text(payload)
    largest = min(sps.tree_block, MAX_PCM_BLOCK)
    sizes = unsigned(sps.min_block - 3) + unsigned(largest - sps.min_block)
    return payload[:2] + to_bytes(
        f"{text[: sps.pcm_at]}1{7:04b}{7:04b}{sizes}1{text[sps.pcm_at + 1 :]}"
    )


def crop(payload: bytes, right: int, bottom: int) -> bytes:
    """A sequence parameter set without a conformance window -> the same with one that leaves out so
    many luma columns and rows, even numbers. Raises `UnsupportedError`."""
    at, text = read_sps(payload).window_at, _text(payload)
    if text[at] == "1":
        raise UnsupportedError("a sequence that has a conformance window already")
    sides = "".join(unsigned(side // 2) for side in (0, right, 0, bottom))
    return payload[:2] + to_bytes(f"{text[:at]}1{sides}{text[at + 1 :]}")
