"""Grid: does the reconstruction hold a lattice of two pixels, as networks that double the size
leave it ("checkerboard artifacts": Odena, Dumoulin, Olah, "Deconvolution and Checkerboard
Artifacts", Distill, 2016)?

The diagonal Haar detail of 2x2 blocks answers to it. Blocks can start at four phases; a camera's
pictures have the same energy at all of them, a lattice has more at some.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hdac.metrics.contract import LUMA, MEAN, Clip, Contract, Metric, Scores

#: Energy that rounding to 8 bits alone leaves: four errors of variance 1/12, halved.
ROUNDING = 1 / 12


def phase_energies(y: npt.NDArray[np.uint8]) -> list[float]:
    """Mean squares of (a - b - c + d) / 2 over the 2x2 blocks [[a, b], [c, d]] that start at
    (0, 0), (0, 1), (1, 0) and (1, 1) and every two samples from there. `y`: `(H, W)`, both at
    least 3, in 8-bit levels."""
    wide = y.astype(np.float64)
    across = wide[:, :-1] - wide[:, 1:]
    squares = (across[:-1] - across[1:]) ** 2 / 4
    return [float(squares[dy::2, dx::2].mean()) for dy in (0, 1) for dx in (0, 1)]


def lattice(y: npt.NDArray[np.uint8]) -> float:
    """The largest of the four energies over the smallest, 1 or more; an energy counts as at least
    that of rounding, so that flat pictures have 1. `y`: as in `phase_energies`."""
    energies = [max(energy, ROUNDING) for energy in phase_energies(y)]
    return max(energies) / min(energies)


class Grid(Metric):
    """Of the reconstruction alone, Y'; lower is better, 1: no lattice (sources of 256x256: 1.07 to
    1.18). A checkerboard over all of a picture has the same energy at each phase: it is not
    seen."""

    contract = Contract("grid", "Grid", "", False, LUMA, f"{MEAN}, 1: no lattice", "hdac")
    #: Sources of 64x64 have about 1.25 by chance, smaller ones more than a codec adds.
    least = 64, "four phases need"

    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        return Scores.mean([lattice(p.y) for p in x_hat.pictures])
