"""`time.md`: what a frame takes at the encoder and at the decoder."""

from __future__ import annotations

from typing import Any

from hdac.bench.analysis import Run
from hdac.bench.means import shared_clips
from hdac.bench.results import Point
from hdac.bench.shares import Table

#: A record that says more (width times height) is not believed.
MAX_PIXELS = 8192 * 4320
_SIDE = 256  # of the pictures that graph files have the cost for
TIME_NOTE = (
    "Milliseconds a frame of wall clock, several points side by side, so that they tell orders of "
    "magnitude: hdac bench measures speed. hdac: start-up excluded; it decodes on as many threads "
    "as there are cores for a point, and libvvenc in it has two. Anchors encode on one thread, and "
    "FFmpeg decodes on as many as it likes. "
    "environment.json is the machine of the last run: points that were kept from earlier runs may "
    "be another's.\n\n"
)
TIME_HEAD = ("codec", "clips", "encoding", "decoding", "network at the decoder, GMAC per frame")


def time_table(run: Run) -> Table:
    """Encoder and decoder of every codec."""
    return Table("Time", TIME_NOTE.strip(), [*TIME_HEAD], time_rows(run))


def time_rows(run: Run) -> list[list[str]]:
    """Seconds of this machine: not part of what two runs have in common. Over the clips that every
    codec has, where a codec has some of them, else over its own."""
    rows, shared = [], shared_clips(run)
    for codec in run.codecs:
        points, table = run.of(codec), run.table[run.table.codec == codec]
        if not points:
            continue
        common = table[table.sequence.isin(shared.clips)]
        table = common if len(common) else table
        cells = [str(table.sequence.nunique())]
        for side in ("encoding", "decoding"):
            timed = table[table[side] > 0]
            each = 1000 * timed[side].sum() / max(timed.frames.sum(), 1)
            cells.append(f"{each:.1f}" if len(timed) else "n/a")
        rows.append([codec, *cells, _gmac(run.about.codecs[codec].recipe, points[0])])
    return rows


def _gmac(recipe: dict[str, Any], point: Point) -> str:
    """What the network costs at the decoder; empty without one, "n/a" where it is not here."""
    from hdac.bitstream.container import NumberFormat
    from hdac.errors import HdacError
    from hdac.nets.cost import decoder_gmac
    from hdac.nets.zoo import load_model
    from hdac.runtime.graphs import read_about
    from hdac.runtime.models import find_model, serving, shipped

    mode, tune, model = (str(recipe.get(k, "")) for k in ("mode", "tune", "model"))
    if mode not in ("hybrid", "animation"):
        return ""
    height, width = point.record["height"], point.record["width"]
    try:
        name = serving(model, mode, tune or "psnr", int(recipe.get("base_scale", 1)))
        here = {(m.name, m.number_format) for m in shipped()}
        if (name, NumberFormat.FP32) not in here or height * width > MAX_PIXELS:
            return "n/a"
        if height == width == _SIDE and (name, NumberFormat.INT8) in here:
            # of networks of other systems their graphs alone know it, for this size
            graphs = find_model(name, number_format=NumberFormat.INT8).graphs
            return f"{read_about(graphs)['gmac_256']:.2f}"
        return f"{decoder_gmac(load_model(find_model(name)), width, height):.2f}"
    except HdacError:
        return "n/a"
