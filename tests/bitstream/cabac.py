"""CABAC's two directions over bins that a test chooses."""

from __future__ import annotations

from typing import Any

from hdac.bitstream.arithmetic import (
    close_encoder,
    exact,
    open_decoder,
    open_encoder,
    put_bypass,
    put_terminate,
    read_bypass,
    read_terminate,
)
from hdac.bitstream.registers import CONTEXT, IN_END, IN_NEXT, OUT_END, OUT_NEXT, STATE


class Cabac:
    """Of a codec: its module `cabac`, and the contexts' states at first. A context behind the last
    one means a bin without; `flags`: a terminating bin of 0 behind each."""

    def __init__(self, codec: Any, states: list[int]) -> None:
        self._codec, self._states, self._written = codec, states, b""

    def _state(self) -> list[int]:
        s = [0] * STATE
        s[CONTEXT : CONTEXT + len(self._states)] = self._states
        return s

    def write(self, bins: list[tuple[int, bool]], flags: bool = False) -> bytes:
        s, tape = self._state(), bytearray(len(bins) + 100)
        s[OUT_NEXT], s[OUT_END] = 1, len(tape)
        open_encoder(s)
        for context, value in bins:
            if context == self._codec.CONTEXTS:
                put_bypass(s, tape, int(value))
            else:
                self._codec.put_bin(s, tape, context, int(value))
                self._codec.learn(s, context, int(value))
            if flags:
                put_terminate(s, tape, 0)
        put_terminate(s, tape, 1)
        close_encoder(s, tape)
        self._written = bytes(tape[1 : s[OUT_NEXT]])
        return self._written

    def read(self, contexts: list[int], flags: bool = False) -> list[int]:
        """The bins of what was written, under these contexts."""
        s, tape, found = self._state(), bytearray(self._written), []
        s[IN_NEXT], s[IN_END] = 0, len(tape)
        open_decoder(s, tape)
        for context in contexts:
            if context == self._codec.CONTEXTS:
                found.append(read_bypass(s, tape))
            else:
                found.append(self._codec.read_bin(s, tape, context))
                self._codec.learn(s, context, found[-1])
            if flags:
                assert not read_terminate(s, tape)
        assert read_terminate(s, tape)
        assert exact(s, tape)
        return found
