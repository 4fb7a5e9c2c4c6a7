"""Coefficients of transform blocks, and levels of blocks without a transform.

(Rec. ITU-T H.266, clauses 7.3.11.11, 7.3.11.12, 6.5.2 and 9.3.4.2.)
"""

from __future__ import annotations

from functools import cache

from hdac.bitstream.hevc.bins import fixed
from hdac.bitstream.hevc.parameters import UnsupportedError
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc.bins import (
    EVEN,
    LAST_REST,
    LEVEL_REST,
    CodingUnit,
    SliceState,
    exp_golomb,
)

_NEXT = ((0, 2), (2, 0), (1, 3), (3, 1))  # state of dependent quantisation, by a level's parity
#: Rice parameter by what the levels nearby add up to (table 128).
_RICE = (0,) * 7 + (1,) * 7 + (2,) * 14 + (3,) * 4
_LAST_OFFSET = (0, 0, 3, 6, 10, 15)  # contexts of the last position in luma, by size
_PAD = 2  # rows and columns beyond a block that read as zero


@cache
def scan(across: int, down: int) -> tuple[tuple[int, int], ...]:
    """(x, y) in the order of coding: up-right diagonals of a block of `1 << across` times
    `1 << down` (clause 6.5.2)."""
    width, height = 1 << across, 1 << down
    return tuple(
        (x, d - x)
        for d in range(width + height - 1)
        for x in range(min(d + 1, width))
        if d - x < height
    )


@cache
def _sub_block(across: int, down: int) -> tuple[int, int]:
    """Size of the sub-blocks of a block: base-2 logarithms."""
    if across + down > 3:
        if across < 2:
            return across, 4 - across
        if down < 2:
            return 4 - down, down
    side = 1 if min(across, down) < 2 else 2
    return side, side


class Residual:
    """The transform blocks of one slice. What they say of their coding unit: `lfnst_dc_only`,
    `mts_dc_only`: no coefficient but the first; `lfnst_room`, `mts_room`: none where the transforms
    of that name have none."""

    def __init__(self, state: SliceState) -> None:
        self._state = state
        self._head, self._sps, self._bins = state.head, state.sps, state.bins
        self._dependent = state.head.dependent_quantisation

    def start(self, unit: CodingUnit) -> None:
        self._unit = unit
        self.lfnst_dc_only = self.lfnst_room = self.mts_dc_only = self.mts_room = True

    def parse(self, width: int, height: int, plane: int, skip: bool, kind: int) -> None:
        """A block with coefficients; `skip`: without a transform; `kind`: how its unit is predicted
        (a number below 48)."""
        across, down = width.bit_length() - 1, height.bit_length() - 1
        self._kind = 2 * kind + (plane > 0)
        self._form = (7 * across + down) * 2 + (plane > 0)  # below 98
        self._paced = 2 * self._state.pace + (plane > 0)
        if skip and not self._head.plain_skip:
            self._plain(across, down, plane)
        else:
            self._transformed(across, down, plane, skip)

    def _transformed(self, across: int, down: int, plane: int, skip: bool) -> None:
        """Clause 7.3.11.11."""
        chroma, halved = int(plane > 0), self._sps.mts and self._unit.sbt and not plane
        columns, rows = min(across, 5), min(down, 5)  # those that may have coefficients
        if halved and across == 5 and down < 6:
            columns = 4
        if halved and down == 5 and across < 6:
            rows = 4
        x_last, y_last = self._last(across, down, columns, rows, chroma)
        self._stride = (1 << columns) + _PAD
        size = self._stride * ((1 << rows) + _PAD)
        self._first, self._levels = [0] * size, [0] * size  # of the first pass; all
        self._found = [0] * size
        sub_x, sub_y = _sub_block(columns, rows)
        outside, inside = scan(columns - sub_x, rows - sub_y), scan(sub_x, sub_y)
        last_block = outside.index((x_last >> sub_x, y_last >> sub_y))
        x_in, y_in = x_last & (1 << sub_x) - 1, y_last & (1 << sub_y) - 1
        last = inside.index((x_in, y_in))
        big = across > 1 and down > 1
        if last_block == 0 and big and not skip and last > 0:
            self.lfnst_dc_only = False
        if (last_block and big) or (last > 7 and across == down and across in (2, 3)):
            self.lfnst_room = False
        if (last_block or last) and not chroma:
            self.mts_dc_only = False
        self._left = (7 << columns + rows) >> 2  # bins of the first pass that there may still be
        self._quantiser = 0
        coded: set[tuple[int, int]] = set()
        for i in range(last_block, -1, -1):
            xs, ys = outside[i]
            if 0 < i < last_block:
                near = (xs + 1, ys) in coded or (xs, ys + 1) in coded
                wider = (98 * min(i, 15) + self._form, self._paced)
                if not self._bins.bin(c.SUB_BLOCK + near + 2 * chroma, min(i, 15), wider):
                    continue
            coded.add((xs, ys))
            self._block = min(i, 3)
            if max(xs, ys) > 3 and not chroma:
                self.mts_room = False
            places = [((xs << sub_x) + x, (ys << sub_y) + y) for x, y in inside]
            start = last if i == last_block else len(inside) - 1
            self._coefficients(places, start, i == last_block, 0 < i < last_block, chroma)

    def _last(
        self, across: int, down: int, columns: int, rows: int, chroma: int
    ) -> tuple[int, int]:
        """Where the last coefficient is."""
        prefixes: list[int] = []
        for base, size, most in ((c.LAST_X, across, columns), (c.LAST_Y, down, rows)):
            if chroma:
                offset, shift = 20, min(2, max(0, size - 2))
            else:
                offset, shift = _LAST_OFFSET[size - 1] if size else 0, (size + 1) >> 2
            count, other = 0, 1 + prefixes[0] if prefixes else 0
            while count < 2 * most - 1:
                known = 10 * self._form + count
                wider = (11 * known + other, 16 * self._kind + count, 16 * self._paced + count)
                if not self._bins.bin(base + offset + (count >> shift), known, wider):
                    break
                count += 1
            prefixes.append(count)
        values = []
        for prefix, most in zip(prefixes, (columns, rows), strict=True):
            if prefix > 3:
                bits = (prefix >> 1) - 1
                prefix = (2 + (prefix & 1) << bits) + fixed(self._bins, LAST_REST, bits)
            if prefix >= 1 << most:
                raise UnsupportedError("a last coefficient outside of its block")
            values.append(prefix)
        return values[0], values[1]

    def _near(self, values: list[int], at: int) -> int:
        """The sum of the five values to the right and below (clause 9.3.4.2.7)."""
        stride = self._stride
        return (
            values[at + 1]
            + values[at + 2]
            + values[at + stride]
            + values[at + stride + 1]
            + values[at + 2 * stride]
        )

    def _coefficients(
        self, places: list[tuple[int, int]], start: int, last: bool, inferred: bool, chroma: int
    ) -> None:
        """One sub-block, from `start` on. `last`: that is the block's last coefficient; `inferred`:
        there is at least one."""
        bin_, stride, dependent = self._bins.bin, self._stride, self._dependent
        first, found = self._first, self._found
        larger: list[int] = []
        n, count = start, 0
        self._beside = 4 * self._form + self._block
        while n >= 0 and self._left >= 4:
            x, y = places[n]
            at, far = y * stride + x, x + y
            total = self._near(first, at)
            final = last and n == start
            significant = 1
            if not final and not (n == 0 and inferred):
                quantiser = max(0, self._quantiser - 1)
                near = min(total + 1 >> 1, 3)
                if chroma:
                    context = 36 + 8 * quantiser + near + (4 if far < 2 else 0)
                else:
                    context = 12 * quantiser + near + (8 if far < 2 else 4 if far < 5 else 0)
                known = (16 * min(total, 15) + min(far, 15)) * 2 + chroma
                wider = (
                    16 * self._beside + n,
                    (self._kind * 4 + self._block) * 8 + min(count, 7),
                    4 * self._paced + min(near, 3),
                )
                significant = bin_(c.SIGNIFICANT + context, known, wider)
                self._left -= 1
            level = 0
            if significant:
                inferred = False
                level = 1
                found[at] = 1
                state = 2 * self._quantiser + chroma
                known = 16 * min(total, 15) + state
                wider = (
                    (16 * self._beside + n) * 2 + final,
                    (8 * self._kind + min(count, 7)) * 4 + self._quantiser,
                    4 * self._paced + self._quantiser,
                )
                count += 1
                if final:
                    context = 21 * chroma
                else:
                    context = min(total - self._near(found, at), 4)
                    if chroma:
                        context += 22 + (0 if far else 5)
                    else:
                        context += 1 + (15 if far == 0 else 10 if far < 3 else 5 if far < 10 else 0)
                self._left -= 1
                if bin_(c.GREATER + context, known, wider):
                    level = 2 + bin_(c.PARITY + context, known, wider)
                    self._left -= 2
                    if bin_(c.GREATER + 32 + context, known, wider):
                        level += 2
                        larger.append(at)
            first[at] = self._levels[at] = level
            if dependent:
                self._quantiser = _NEXT[self._quantiser][level & 1]
            n -= 1
        for at in larger:
            self._levels[at] += 2 * self._remainder(self._rice(at, 4))
        while n >= 0:
            x, y = places[n]
            at = y * stride + x
            self._levels[at] = level = self._whole(self._rice(at, 0))
            if dependent:
                self._quantiser = _NEXT[self._quantiser][level & 1]
            n -= 1
        self._signs([self._levels[y * stride + x] for x, y in places[: start + 1]])

    def _signs(self, levels: list[int]) -> None:
        places = [n for n, level in enumerate(levels) if level]
        hidden = bool(places) and self._head.sign_hiding and places[-1] - places[0] > 3
        fixed(self._bins, EVEN, len(places) - hidden)

    def _rice(self, at: int, base: int) -> int:
        return _RICE[min(31, max(0, self._near(self._levels, at) - 5 * base))]

    def _remainder(self, rice: int) -> int:
        """`abs_remainder` and `dec_abs_level` (clauses 9.3.3.11 and 9.3.3.12)."""
        ones = 0
        while ones < 6 and self._bins.bypass(LEVEL_REST, 8 * rice + ones):
            ones += 1
        if ones < 6:
            return (ones << rice) + fixed(self._bins, EVEN, rice)
        return (6 << rice) + exp_golomb(self._bins, LEVEL_REST, rice + 1, 11, 15, 64)

    def _whole(self, rice: int) -> int:
        """A level that is coded at once."""
        value = self._remainder(rice)
        zero = (1 if self._quantiser < 2 else 2) << rice
        return 0 if value == zero else value + (value < zero)

    def _plain(self, across: int, down: int, plane: int) -> None:
        """Levels of a block without a transform (clause 7.3.11.12)."""
        sub_x, sub_y = _sub_block(across, down)
        outside, inside = scan(across - sub_x, down - sub_y), scan(sub_x, sub_y)
        self._predicted = self._unit.bdpcm[plane > 0]
        self._left = (7 << across + down) >> 2
        self._signed: dict[tuple[int, int], int] = {}  # sign of each level that is not 0
        coded: set[tuple[int, int]] = set()
        for i, (xs, ys) in enumerate(outside):
            if i < len(outside) - 1 or coded:
                near = ((xs - 1, ys) in coded) + ((xs, ys - 1) in coded)
                if not self._bins.bin(c.SUB_BLOCK + 4 + near):
                    continue
            coded.add((xs, ys))
            self._plain_levels([((xs << sub_x) + x, (ys << sub_y) + y) for x, y in inside])

    def _plain_levels(self, places: list[tuple[int, int]]) -> None:
        """One sub-block: three passes over its levels."""
        bin_, inferred = self._bins.bin, True
        levels: list[int] = []
        for n, (x, y) in enumerate(places):
            if self._left < 4:
                break
            left, above = self._signed.get((x - 1, y), 0), self._signed.get((x, y - 1), 0)
            near = (left != 0) + (above != 0)
            significant = 1
            if not (inferred and n == len(places) - 1):
                significant = bin_(c.SIGNIFICANT + 60 + near)
                self._left -= 1
            level = 0
            if significant:
                inferred, level = False, 1
                kind = 0 if left == -above else 1 if min(left, above) >= 0 else 2
                sign = bin_(c.SIGN_SKIPPED + kind + 3 * self._predicted)
                self._signed[x, y] = 1 - 2 * sign
                self._left -= 2
                if bin_(c.GREATER + 64 + (3 if self._predicted else near)):
                    level = 2 + bin_(c.PARITY + 32)
                    self._left -= 1
            levels.append(level)
        second = 0
        for n in range(len(levels)):
            if self._left < 4:
                break
            second, j = n + 1, 1
            greater = levels[n] > 1
            while j < 5 and greater:
                greater = bool(bin_(c.GREATER + 67 + j))
                levels[n] += 2 * greater
                self._left -= 1
                j += 1
        for n, (x, y) in enumerate(places):
            if n >= len(levels):
                if self._remainder(1):
                    self._signed[x, y] = 1 - 2 * self._bins.bypass(EVEN)
            elif levels[n] >= (10 if n < second else 2):
                self._remainder(1)
