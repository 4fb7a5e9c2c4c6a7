"""The syntax of slice data: which bins come in which order, under which contexts.

One description for both directions: `Bins` gives each bin back, be it read from a slice or from
what the slice was recoded to. Here: coding trees; `unit` and what it uses have the rest.

(Rec. ITU-T H.266, clauses 7.3.11.2 to 7.3.11.4, 6.4 and 9.3.4.2; contexts are those of `cabac`.)
"""

from __future__ import annotations

from typing import NamedTuple

from hdac.bitstream.hevc.bins import Bins, Wider
from hdac.bitstream.hevc.parameters import UnsupportedError
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc.bins import (
    BINARY_COLUMNS,
    BINARY_ROWS,
    CHROMA_TREE,
    LUMA_TREE,
    OUTSIDE,
    PACES,
    QUAD,
    SINGLE_TREE,
    TERNARY_COLUMNS,
    TERNARY_ROWS,
    WHOLE,
    BlockMaps,
    CodingUnit,
    SliceState,
    shape,
)
from hdac.bitstream.vvc.filters import LoopFilters
from hdac.bitstream.vvc.header import Slice
from hdac.bitstream.vvc.unit import ANY, INTER, INTRA, UnitParser


class Node(NamedTuple):
    """A block of a coding tree (of luma samples).

    division: how often it was halved. depth: of quad splits. multi: of binary and ternary ones
        since; bonus: how many more of them the picture's edge allows.
    part, parent: which part of its parent it is, and how that was split.
    grouped: whether quantisation groups may still start here.
    """

    x: int
    y: int
    width: int
    height: int
    tree: int
    mode: int
    division: int = 0
    depth: int = 0
    multi: int = 0
    bonus: int = 0
    part: int = 0
    parent: int = WHOLE
    grouped: bool = True


class Allowed(NamedTuple):
    """Which splits a block may have."""

    quad: bool
    rows: bool
    columns: bool
    ternary_rows: bool
    ternary_columns: bool


class SliceParser:
    """Parses one slice's data after another; remembers the picture before.

    `parse` raises `UnsupportedError` on what no encoder can have meant.
    """

    def __init__(self) -> None:
        self._recent: list[BlockMaps] = []

    def parse(self, head: Slice, bins: Bins) -> None:
        sps = head.sps
        self.head, self.sps, self.bins = head, sps, bins
        self.state = SliceState(head, bins, self._recent)
        self.now = self.state.now
        self.units = UnitParser(self.state)
        side = 1 << sps.tree_block
        across, down = -(-sps.width // side), -(-sps.height // side)
        filters = LoopFilters(self.state, across, down)
        for at in range(across * down):
            y, x = divmod(at, across)
            filters.parse(x, y)
            if head.dual_tree:
                self._two_trees(x * side, y * side, side, 0)
            else:
                self._tree(Node(x * side, y * side, side, side, SINGLE_TREE, ANY))
        bins.terminate(True)

    def _two_trees(self, x: int, y: int, side: int, depth: int) -> None:
        """Trees of luma and of chroma, of 64x64 samples at most (clause 7.3.11.2)."""
        if x >= self.sps.width or y >= self.sps.height:
            return
        if side > 64:
            half = side // 2
            self._group(2 * depth)
            for y1 in (y, y + half):
                for x1 in (x, x + half):
                    self._two_trees(x1, y1, half, depth + 1)
            return
        for tree in (LUMA_TREE, CHROMA_TREE):
            self._tree(Node(x, y, side, side, tree, ANY, 2 * depth, depth))

    def _group(self, division: int) -> None:
        """A quantisation group starts, if it may."""
        if division <= self.head.qp_depth:
            self.units.transforms.qp_coded = False

    def _allowed(self, node: Node) -> Allowed:
        """Clause 6.4: what limits of sizes, of depth and the picture's edge leave."""
        x, y, width, height, tree, mode = node[:6]
        chroma, sps = tree == CHROMA_TREE, self.sps
        limits = self.head.partitions[chroma]
        least, longer = 1 << sps.min_block, max(width, height)
        over_x, over_y = x + width > sps.width, y + height > sps.height
        quad = node.multi == 0 and width > 1 << limits.min_quad
        two = three = node.multi < limits.depth + node.bonus
        two = two and longer <= 1 << limits.max_binary
        three = three and longer <= min(64, 1 << limits.max_ternary) and not (over_x or over_y)
        if mode == INTER:
            two, three = two and width * height > 32, three and width * height > 64
        if chroma:
            area = width * height // 4
            quad, two, three = quad and width > 8, two and area > 16, three and area > 32
            if mode == INTRA:
                quad = two = three = False
        rows = two and height > least and not (width > 64 and (over_y or height <= 64))
        columns = two and width > least and not (height > 64 and (over_x or width <= 64))
        if over_x and over_y and width > 1 << limits.min_quad:
            rows = columns = False
        rows = rows and not (over_x and not over_y)
        columns = columns and not over_y and not (chroma and width == 8)
        if node.part == 1 and node.multi:
            rows = rows and node.parent != TERNARY_ROWS
            columns = columns and node.parent != TERNARY_COLUMNS
        return Allowed(
            quad,
            rows,
            columns,
            three and height > 2 * least,
            three and width > 2 * least and not (chroma and width == 16),
        )

    def _split(self, node: Node) -> int:
        """How a block is split (clause 7.3.11.4)."""
        x, y, width, height, tree = node[:5]
        sps, bins, allowed = self.sps, self.bins, self._allowed(node)
        inside = x + width <= sps.width and y + height <= sps.height
        left, above = self.now.around(x, y, tree == CHROMA_TREE)
        if inside and not any(allowed):
            return WHOLE
        known, wider = self._view(node, left, above)
        if inside:
            near = (left.height < height) + (above.width < width)
            context = c.SPLIT_CU + near + 3 * ((sum(allowed) + allowed.quad - 1) // 2)
            if not bins.bin(context, known, wider):
                return WHOLE
        if not any(allowed[1:]):
            return QUAD
        if allowed.quad:
            near = (left.depth > node.depth) + (above.depth > node.depth)
            if bins.bin(c.SPLIT_QT + near + 3 * (node.depth >= 2), known, wider):
                return QUAD
        return self._lines(node, allowed, left, above)

    def _view(self, node: Node, left: CodingUnit, above: CodingUnit) -> tuple[int, Wider]:
        """What is known of a split: the block's shape and how the picture before was split here; in
        I slices, where that is of no use, its neighbours' sizes."""
        x, y, width, height, tree = node[:5]
        form, before, like = 3 * shape(width, height) + tree, self.state.before, self.state.like
        place = self.now.place(x, y, min(7, node.division))
        if self.head.intra:
            sizes = 16 * left.size + above.size
            near = (left.height < height) + (above.width < width)
            paced = (3 * form + near) * PACES + self.state.pace
            return 3 * form + min(2, node.multi), (256 * form + sizes, paced, place)
        past = before.quarters(x, y, width, height)
        narrow = sum(unit.width < width for unit in past)
        low = sum(unit.height < height for unit in past)
        fine = like.quarters(x, y, width, height)
        skipped = sum(unit.skipped for unit in fine)
        finer = sum(unit.width < width or unit.height < height for unit in fine)
        right, below = like.ahead(x, y, width, height)
        near = (left.height < height) + (above.width < width)
        often = (narrow + low > 0) + (narrow + low >= 4)
        paced = ((form // 3) * 9 + 3 * near + often) * PACES + self.state.pace
        after = 2 * (right.height < height) + (below.width < width)
        around = ((form // 3 * 5 + finer) * 5 + skipped) * 4 + after
        return (form // 3 * 5 + narrow) * 5 + low, (place, paced, around)

    def _lines(self, node: Node, allowed: Allowed, left: CodingUnit, above: CodingUnit) -> int:
        """A split into two or three: by which lines."""
        _, rows, columns, ternary_rows, ternary_columns = allowed
        bins, (known, wider) = self.bins, self._view(node, left, above)
        lying, standing = rows + ternary_rows, columns + ternary_columns
        vertical = int(standing > 0)
        if lying and standing:
            if lying != standing:
                context = 4 if standing > lying else 3
            elif left is OUTSIDE or above is OUTSIDE:
                context = 0
            else:
                across, down = node.width // above.width, node.height // left.height
                context = (across < down) + 2 * (across > down)
            vertical = bins.bin(c.SPLIT_VERTICAL + context, known, wider)
        two, three = (columns, ternary_columns) if vertical else (rows, ternary_rows)
        if two and three:
            two = bool(bins.bin(c.SPLIT_BINARY + 2 * vertical + (node.multi <= 1), known, wider))
        return (BINARY_ROWS if two else TERNARY_ROWS) + vertical

    def _tree(self, node: Node) -> None:
        x, y, width, height, tree, mode = node[:6]
        least = 1 << self.sps.min_block
        if width < least or height < least:
            raise UnsupportedError("a block below the smallest")
        if node.grouped and tree != CHROMA_TREE:
            self._group(node.division)
        split = self._split(node)
        self.units.cross.note(node.tree, width, height, node.multi, node.parent, split)
        if split == WHOLE:
            self.units.parse(CodingUnit(x, y, width, height, tree, node.depth), mode)
            return
        inner = self._mode(node, split)
        alone = mode == ANY and inner == INTRA
        for child in self._parts(node, split):
            self._tree(child._replace(tree=LUMA_TREE if alone else tree, mode=inner))
        if alone:  # luma is too small for chroma to follow
            self._tree(
                node._replace(
                    tree=CHROMA_TREE, mode=INTRA, bonus=0, part=0, parent=split, grouped=False
                )
            )

    def _mode(self, node: Node, split: int) -> int:
        """How the parts may be predicted: small ones all the same way (clause 7.4.12.4)."""
        if node.mode != ANY or self.head.dual_tree:
            return node.mode
        area = node.width * node.height
        two, three = BINARY_ROWS <= split <= BINARY_COLUMNS, split >= TERNARY_ROWS
        if (area == 64 and not two) or (area == 32 and two):
            return INTRA
        if (
            (area == 64 and two)
            or (area == 128 and three)
            or (node.width == 8 and split == BINARY_COLUMNS)
            or (node.width == 16 and split == TERNARY_COLUMNS)
        ):
            if self.head.intra:
                return INTRA
            left, above = self.now.around(node.x, node.y, 0)
            intra = self.bins.bin(c.NON_INTER + (left.intra or above.intra))
            return INTRA if intra else INTER
        return node.mode

    def _parts(self, node: Node, split: int) -> list[Node]:
        """The parts that start inside the picture."""
        x, y, width, height = node[:4]
        sps, half, lower = self.sps, node.width // 2, node.height // 2
        one, two = node.division + 1, node.division + 2
        if split == QUAD:
            corner = node._replace(
                width=half, height=lower, division=two, depth=node.depth + 1, multi=0, bonus=0,
                parent=split,
            )  # fmt: skip
            corners = [(x, y), (x + half, y), (x, y + lower), (x + half, y + lower)]
            parts = [corner._replace(x=x1, y=y1) for x1, y1 in corners]
            return [part for part in parts if part.x < sps.width and part.y < sps.height]
        node = node._replace(multi=node.multi + 1, parent=split)
        if split == BINARY_COLUMNS:
            node = node._replace(
                width=half, division=one, bonus=node.bonus + (x + width > sps.width)
            )
            parts = [node._replace(part=0), node._replace(x=x + half, part=1)]
            return [part for part in parts if part.x < sps.width]
        if split == BINARY_ROWS:
            node = node._replace(
                height=lower, division=one, bonus=node.bonus + (y + height > sps.height)
            )
            parts = [node._replace(part=0), node._replace(y=y + lower, part=1)]
            return [part for part in parts if part.y < sps.height]
        node = node._replace(grouped=node.grouped and two <= self.head.qp_depth)
        if split == TERNARY_COLUMNS:
            quarter = width // 4
            return [
                node._replace(part=0, width=quarter, division=two),
                node._replace(part=1, x=x + quarter, width=half, division=one),
                node._replace(part=2, x=x + 3 * quarter, width=quarter, division=two),
            ]
        quarter = height // 4
        return [
            node._replace(part=0, height=quarter, division=two),
            node._replace(part=1, y=y + quarter, height=lower, division=one),
            node._replace(part=2, y=y + 3 * quarter, height=quarter, division=two),
        ]
