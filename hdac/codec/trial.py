"""Trial codings of a live GOP's first picture, coarser and coarser until it takes at most 0.7 s of
the rate: a larger one would fill the line."""

from __future__ import annotations

from hdac.codec.control import RateController
from hdac.codec.plan import BaseChoice, Plan
from hdac.layers.codecs import open_base
from hdac.layers.resample import pad_to, to_size
from hdac.video.picture import Picture


def trial_coded(
    picture: Picture, plan: Plan, choice: BaseChoice, control: RateController
) -> BaseChoice:
    """`choice` with the intra QP that a GOP starting with `picture` can afford: its own, or the
    first one tried above it at which the picture takes no more than `control` allows (`QP_MAX`
    where none does)."""
    header = plan.header
    small = to_size(pad_to(picture, 2 * header.base_scale), *header.base_size)  # live is no mixed
    while True:
        coder = open_base(choice.codec, choice.config(header), plan.ffmpeg, 1)
        try:
            coded = coder.push(small) + coder.flush()
        finally:
            coder.close()
        coarser = control.coarser(choice.qp_intra, 8 * len(coded[0].data))
        if coarser == choice.qp_intra:
            return choice
        choice = choice._replace(qp_intra=coarser)
