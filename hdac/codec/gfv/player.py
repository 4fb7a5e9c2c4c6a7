"""What a network makes of coded pictures and their GFV messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import numpy as np

from hdac.bitstream.container import Keypoints
from hdac.bitstream.vvc.gfv import GfvMessage
from hdac.codec.fusions import Fusions
from hdac.codec.gfv.uri import NetworkName
from hdac.codec.synthesiser import Synthesiser
from hdac.codec.views import Made
from hdac.errors import DamagedError
from hdac.motion.protocol import Parameters
from hdac.video.picture import Picture

#: What a network is told of coded pictures whose QP nobody says.
USUAL_QP = 32


class GfvPlayer:
    """Coded pictures, one after another, as the messages say.

    name: that of the first network, where it is one of ours. moves: pictures that would go into the
    generator do not; the reference is moved.
    """

    def __init__(
        self, synthesiser: Synthesiser, motion: Keypoints, name: NetworkName | None, moves: bool
    ) -> None:
        self._synthesiser, self._motion, self._name = synthesiser, motion, name
        self._moves = moves
        self._fusions = Fusions(synthesiser)
        self._held: Picture | None = None  # the reference
        self._last: Picture | Future[Picture] | None = None

    def show(
        self, picture: Picture, messages: Sequence[GfvMessage], damage: list[str]
    ) -> Iterator[Made]:
        """All that is shown of a coded picture; `damage` is told which messages do not fit."""
        if not any(message.cnt == 0 for message in messages):
            yield self._keep(Made(picture, "base"))
        for message in messages:
            try:
                made = self._one(picture, message)
            except DamagedError as error:
                damage.append(f"picture {message.picture}, gfv_cnt {message.cnt}: {error}")
                made = Made(self._last or picture, "concealed")
                if message.cnt == 0:
                    made = Made(picture, "base")
            yield self._keep(made)

    def _keep(self, made: Made) -> Made:
        self._last = made.picture
        return made

    def _one(self, picture: Picture, message: GfvMessage) -> Made:
        """Raises `DamagedError`."""
        if message.base_picture:
            self._held = None
            self._rename(message)
            qp = USUAL_QP if self._name is None else self._name.qp_intra
            self._synthesiser.set_reference(picture, qp, self._parameters(message))
            self._fusions.start(picture)
            self._held = picture
            return Made(picture, "base")
        if self._held is None:
            raise DamagedError("no base picture with parameters before it")
        parameters = self._parameters(message)
        if message.fusion and not self._moves:
            qp = USUAL_QP if self._name is None else self._name.qp_base
            self._fusions.follow(picture, qp, parameters)
            if message.low_confidence:
                return Made(picture, "base")
            return Made(self._fusions.fuse(), "fused")
        return Made(self._synthesiser.animate(parameters), "animation")

    def _rename(self, message: GfvMessage) -> None:
        """A base picture may say other QPs of the same network."""
        name = NetworkName.parse(message.network)
        if name is None or self._name is None:
            return
        if (name.model, name.digest) != (self._name.model, self._name.digest):
            raise DamagedError(f"another network than before: {name.model}-{name.digest}")
        self._name = name

    def _parameters(self, message: GfvMessage) -> Parameters:
        """Points as the motion layer has them, clamped to their range."""
        coordinates, levels = message.coordinates, self._motion.levels
        if coordinates is None or coordinates.axes != 2:
            raise DamagedError("no points of a plane")
        if len(coordinates.points) != self._motion.number:
            raise DamagedError(
                f"{len(coordinates.points)} points; the first base picture had "
                f"{self._motion.number}"
            )
        rows = [
            [max(-levels, min(levels, round(value * levels))) for value in point]
            for point in coordinates.points
        ]
        return np.array(rows, np.int64)
