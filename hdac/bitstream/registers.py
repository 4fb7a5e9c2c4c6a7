"""Where the state of a slice is: numbers of one array, which all functions of slice data work on.

These functions take a slice's state `s`, memory `m` (models and weights, or the bins that are
noted) and bytes `tape` (what is read, and behind it what is written). They are plain functions of
integers below 2^63 and of indexable arrays, for `compiled` to compile; interpreted, the same source
runs over lists. Compiled code checks no index: each is in range by what is written beside it. None
of them calls itself: Numba cannot link that when it loads code from a cache.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import Any, TypeAlias

Ints: TypeAlias = MutableSequence[int]
#: Of models: interpreted, the first entries are dictionaries (`mixing.find`).
Memory: TypeAlias = Any

#: What is done with a slice's bins: read from CABAC and noted; read and written again, with a flag
#: of 0 for each block that may be PCM; read from the range coder and written for CABAC.
PARSE, FLAG, READ = range(3)

#: What is done; bins that were noted or are still allowed, and how many may be noted.
MODE, BINS, MOST = range(3)
#: CABAC's decoder: its range; its offset and behind it bits that are not used yet, how many; where
#: in the tape the next byte is, the first one and the end.
IN_RANGE, IN_OFFSET, IN_HAVE, IN_NEXT, IN_START, IN_END = range(3, 9)
#: CABAC's encoder: the end of its number; its range; how many bits of the number are not written
#: yet, but for the last nine; where in the tape the next byte goes, the first one and the end.
OUT_LOW, OUT_RANGE, OUT_PENDING, OUT_NEXT, OUT_START, OUT_END = range(9, 15)
#: The range coder: `low` (reading: what is above it), range; where in the tape the next byte is,
#: and the end; bins that may still be read; the bins' information content, in 2^-32 bits.
CODE_LOW, CODE_RANGE, CODE_NEXT, CODE_END, CODE_LEFT, CODE_SPENT = range(15, 21)
#: What models look at: slice type, QP; how many kinds of bins the codec has, which is even; where
#: in `m` the weights of the first one are.
TYPE, QP_VIEW, KINDS, EVEN_KIND, FIRST_ROW = range(21, 26)
VIEW = 26  # where in `m` the models of a bin are: 5
CODEC = 32  # the first register of a codec's own
CONTEXT = 128  # CABAC's contexts
STATE = 2048  # numbers that all of these take, at most
