"""The synthesiser: reference, parameters, base picture -> picture. One object for both sides, so
that an encoder that shows what the decoder will show cannot drift from it."""

from __future__ import annotations

import copy
from concurrent.futures import Future

import torch
from torch import Tensor

from hdac.bitstream.container import Header, Keypoints, NumberFormat
from hdac.closing import Closing
from hdac.errors import DamagedError, UsageError
from hdac.layers.motion import Parameters, Points, dequantise
from hdac.nets.device import pick_device
from hdac.nets.fusion import Reference
from hdac.nets.keypoints import MIN_KEYPOINTS, USUAL_KEYPOINTS, thumbnail
from hdac.nets.planes import planes_from_yuv, yuv_from_planes
from hdac.nets.threads import on_one_thread, one_thread_pool
from hdac.nets.zoo import CodecNet, ModelFile, find_model, load_model, resolve_model, serving
from hdac.video.picture import Picture

#: Threads that this process may use, as torch found it at the start (`OMP_NUM_THREADS`, cores of
#: the container).
CORES = torch.get_num_threads()


class Network:
    """A network with its name: what a plan must know of it."""

    def __init__(self, model: ModelFile) -> None:
        self.name, self.digest = model.name, model.digest
        self.net: CodecNet = on_one_thread(load_model, model)
        self.takes = self.net.takes
        self.derives_keypoints = self.net.derives_keypoints

    @classmethod
    def serving(cls, model: str, mode: str, tune: str) -> Network:
        """The network that serves `model` (a name or a path) in a mode with a tune. Raises
        `UsageError`."""
        return cls(resolve_model(serving(model, mode, tune)))

    @classmethod
    def named(cls, name: str, digest: str) -> Network:
        """The network of a name and a hash that come from a stream. Raises `UsageError`."""
        return cls(find_model(name, digest))

    @classmethod
    def of(cls, header: Header) -> Network:
        """The network that a stream names. Raises `UsageError`, `DamagedError`."""
        network = cls.named(header.model, header.model_hash)
        assert header.motion is not None
        if not network.takes(header.motion.number):
            raise DamagedError(
                f"the header says {header.motion.number} keypoints, which {header.model} does not "
                "take: it is damaged"
            )
        return network

    @property
    def keypoints(self) -> int:
        """Keypoints to code where nobody asked for another number."""
        return USUAL_KEYPOINTS if self.takes(USUAL_KEYPOINTS) else self.net.config.keypoints

    @property
    def counts(self) -> str:
        """The numbers of keypoints that it takes, in words."""
        most = self.net.config.keypoints
        return f"{MIN_KEYPOINTS} to {most}" if self.takes(MIN_KEYPOINTS) else str(most)


class Synthesiser(Closing):
    """Keypoints of pictures, and fused or animated pictures from the present reference. A context
    manager: `close` ends its threads.

    On the CPU every network runs on exactly one thread, and `workers` frames run side by side (they
    do not depend on each other): the order of a convolution's sums changes with its number of
    threads, and an encoder on two threads would show other pixels than a decoder on one.
    """

    def __init__(
        self,
        network: Network,
        motion: Keypoints,
        number_format: NumberFormat,
        device: str = "auto",
        workers: int | None = None,
    ) -> None:
        if number_format is NumberFormat.INT8:
            raise UsageError("this stream's network computes in int8, which this hdac cannot run")
        self._motion = motion
        self._device = pick_device(device)
        self._derives = network.derives_keypoints
        dtype = torch.bfloat16 if number_format is NumberFormat.BF16 else torch.float32
        self._detector, self._net = on_one_thread(self._place, network.net, dtype)
        self._animated: Reference | None = None  # with coded keypoints
        self._fused: Reference | None = None  # with those that the network wants
        cores = CORES if workers is None else workers
        self.workers = cores if self._device.type == "cpu" else 1
        self._pool = one_thread_pool(self.workers, "synthesise")
        self._analysis = one_thread_pool(1, "keypoints")

    def _place(self, net: CodecNet, dtype: torch.dtype) -> tuple[torch.nn.Module, CodecNet]:
        """Keypoint detector and network on the device, as they compute."""
        # float32: what is coded or found must not depend on the number format
        detector = copy.deepcopy(net.detector).to(self._device).eval()
        placed = net.to(self._device, dtype).eval()
        placed.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return detector, placed

    def close(self) -> None:
        """Ends the threads; frames that nobody waited for are dropped."""
        for pool in (self._pool, self._analysis):
            pool.shutdown(cancel_futures=True)

    def analyse(self, picture: Picture) -> Future[Points]:
        """Keypoints of a source picture."""
        return self._analysis.submit(self._analyse, picture)

    def set_reference(self, picture: Picture, qp: int, parameters: Parameters) -> None:
        """The decoded picture, coded at `qp`, that is moved from now on, and its keypoints."""
        self._animated, self._fused = self._pool.submit(
            self._encode, picture, qp, parameters
        ).result()

    def fuse(self, base: Picture, qp: int, parameters: Parameters) -> Future[Picture]:
        """Base picture (coded at `qp`) + reference -> fused picture. A network of ours finds the
        keypoints in the base picture; the published ones take `parameters`."""
        assert self._fused is not None, "a reference comes first"
        return self._pool.submit(self._fuse, self._fused, base, qp, parameters)

    def animate(self, like: Picture, parameters: Parameters) -> Future[Picture]:
        """Reference + parameters -> picture; `like` gives only the size."""
        assert self._animated is not None, "a reference comes first"
        return self._pool.submit(self._animate, self._animated, like, parameters)

    # ---- in the threads

    @torch.inference_mode()
    def _analyse(self, picture: Picture) -> Points:
        found: Points = self._detect(self._planes(picture))[0].cpu().numpy()
        return found

    @torch.inference_mode()
    def _encode(
        self, picture: Picture, qp: int, parameters: Parameters
    ) -> tuple[Reference, Reference]:
        planes = self._planes(picture)
        features = self._net.encode(planes, self._qp(qp))
        animated = Reference(planes, features, self._coded(parameters))
        if not self._derives:
            return animated, animated
        return animated, animated._replace(keypoints=self._detect(planes))

    @torch.inference_mode()
    def _fuse(
        self, reference: Reference, base: Picture, qp: int, parameters: Parameters
    ) -> Picture:
        planes = self._planes(base)
        keypoints = self._detect(planes) if self._derives else self._coded(parameters)
        return self._run(reference, planes, qp, keypoints, 1.0, base)

    @torch.inference_mode()
    def _animate(self, reference: Reference, like: Picture, parameters: Parameters) -> Picture:
        keypoints = self._coded(parameters)
        return self._run(reference, reference.planes, 0, keypoints, 0.0, like)

    def _run(
        self,
        reference: Reference,
        planes: Tensor,
        qp: int,
        keypoints: Tensor,
        mask: float,
        like: Picture,
    ) -> Picture:
        masks = torch.full((1,), mask, device=self._device)
        made = self._net(planes, self._qp(qp), reference, keypoints, masks)
        return Picture(*yuv_from_planes(made.planes.cpu(), like.height, like.width))

    def _detect(self, planes: Tensor) -> Tensor:
        """Keypoints `(1, K, 2)` of a picture."""
        found: Tensor = self._detector(thumbnail(planes))
        return found[:, : self._motion.number]

    def _coded(self, parameters: Parameters) -> Tensor:
        points = dequantise(parameters, self._motion.levels)
        return torch.from_numpy(points)[None].to(self._device)

    def _planes(self, picture: Picture) -> Tensor:
        return planes_from_yuv(*picture).to(self._device)

    def _qp(self, qp: int) -> Tensor:
        return torch.full((1,), float(qp), device=self._device)
