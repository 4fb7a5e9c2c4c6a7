"""Networks of weights files (`hdac.runtime.models`), and weights files of networks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from hdac.errors import UsageError
from hdac.nets.cfte import CfteConfig, CfteNet
from hdac.nets.enlarge import EnlargeConfig, EnlargeNet
from hdac.nets.face import FaceConfig, FaceNet
from hdac.nets.fusion import FusionConfig, FusionNet
from hdac.nets.interpolate import InterpolateConfig, InterpolateNet
from hdac.nets.landmark_gan import LandmarkGanConfig, LandmarkGanNet
from hdac.nets.landmarks import LandmarkConfig, LandmarkNet
from hdac.nets.motion_spade import MotionSpadeConfig, MotionSpadeNet
from hdac.nets.pose import PoseConfig, PoseNet
from hdac.nets.published import PublishedConfig, PublishedNet
from hdac.runtime.models import ModelFile, metadata

LICENCE = "Apache-2.0 (code); trained on talking-head clips whose terms are for research use"
#: Settings that networks no longer have, with the one value that files may still give them.
RETIRED = {"recurrent": False, "coarsest": 8}

#: What the codec runs: ours, or a published architecture behind the same interface.
CodecNet: TypeAlias = FusionNet | PublishedNet
#: Networks of other systems' motion models, for mode `animation`.
AnimationNet: TypeAlias = MotionSpadeNet | LandmarkGanNet | CfteNet | PoseNet | FaceNet
#: Those of them that find their parameters themselves.
DetectingNet: TypeAlias = MotionSpadeNet | CfteNet | PoseNet | FaceNet
#: Those that fit some of them to landmarks.
FittingNet: TypeAlias = PoseNet | FaceNet
AnyNet: TypeAlias = CodecNet | AnimationNet | EnlargeNet | InterpolateNet
_Net = TypeVar("_Net", AnyNet, LandmarkNet)
_Helper = TypeVar("_Helper", EnlargeNet, InterpolateNet)

#: By the start of a system's name.
_SYSTEMS: dict[str, tuple[type[Any], type[Any]]] = {
    "hdac-face": (FaceConfig, FaceNet),
    "motion-spade": (MotionSpadeConfig, MotionSpadeNet),
    "agarwal": (MotionSpadeConfig, MotionSpadeNet),
    "landmark-gan": (LandmarkGanConfig, LandmarkGanNet),
    "cfte": (CfteConfig, CfteNet),
    "fv2v": (PoseConfig, PoseNet),
}


def build(settings: dict[str, Any]) -> AnyNet:
    """An untrained network of a configuration: that of a published one has a `width`, those of
    other systems' motion models say their `system`, those that enlarge what they shuffle, those
    that interpolate what that takes. Raises `TypeError` for unknown keys and `ValueError` for
    values that no network has."""
    plain = _plain(settings)
    if "system" in plain:
        config, net = system_parts(str(plain["system"]))
        made: AnimationNet = net(config(**plain))
        return made
    for key, value in RETIRED.items():
        if plain.pop(key, value) != value:
            raise ValueError(f"{key} = {settings[key]}: hdac no longer has such networks")
    if "shuffled" in plain:
        return EnlargeNet(EnlargeConfig(**plain))
    if "interpolated" in plain:
        return InterpolateNet(InterpolateConfig(**plain))
    if "width" in plain:
        return PublishedNet(PublishedConfig(**plain))
    return FusionNet(FusionConfig(**plain))


def system_parts(system: str) -> tuple[type[Any], type[Any]]:
    """Configuration and network of a system. Raises `ValueError`."""
    for start, parts in _SYSTEMS.items():
        if system.startswith(start):
            return parts
    raise ValueError(f"system {system!r:.40}; known are {', '.join(_SYSTEMS)}")


def _build_landmarks(settings: dict[str, Any]) -> LandmarkNet:
    return LandmarkNet(LandmarkConfig(**_plain(settings)))


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """As a configuration has them: tuples for lists."""
    if not isinstance(settings, dict):
        raise TypeError(f"a configuration is a table, not {settings!r:.40}")
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}


def load_model(model: ModelFile) -> CodecNet:
    """The network in float32, in evaluation mode. Raises `UsageError` if the file is not what its
    name says."""
    net = _load(model, build)
    if isinstance(net, EnlargeNet | InterpolateNet):
        does = "enlarges" if isinstance(net, EnlargeNet) else "interpolates"
        raise UsageError(f"{model.path}: it {does} pictures and codes none")
    if not isinstance(net, CodecNet):
        raise UsageError(f"{model.path}: a network for mode animation alone")
    return net


def load_animation(model: ModelFile) -> AnimationNet:
    """The same of a network of another system's motion model."""
    net = _load(model, build)
    if not isinstance(net, AnimationNet):
        raise UsageError(f"{model.path}: not the network of another system's motion model")
    return net


def load_enlarger(model: ModelFile) -> EnlargeNet:
    """The same of a network that enlarges."""
    return _only(model, EnlargeNet, "enlarges")


def load_interpolator(model: ModelFile) -> InterpolateNet:
    """The same of a network that interpolates."""
    return _only(model, InterpolateNet, "interpolates")


def _only(model: ModelFile, kind: type[_Helper], does: str) -> _Helper:
    net = _load(model, build)
    if not isinstance(net, kind):
        raise UsageError(f"{model.path}: not a network that {does} pictures")
    return net


def load_network(model: ModelFile) -> AnyNet:
    """The same of any network that makes pictures."""
    return _load(model, build)


def load_landmarks(model: ModelFile) -> LandmarkNet:
    """The same of a network that finds landmarks."""
    return _load(model, _build_landmarks)


def _load(model: ModelFile, build: Callable[[dict[str, Any]], _Net]) -> _Net:
    data = model.read()
    try:
        settings = json.loads(metadata(BytesIO(data))["config"])
        state = {key: single(value) for key, value in safetensors.torch.load(data).items()}
        with torch.device("meta"):  # whatever the configuration says, nothing is allocated for it
            wanted = {key: value.shape for key, value in build(settings).state_dict().items()}
        if wanted != {key: value.shape for key, value in state.items()}:
            raise ValueError("its tensors are not those of its configuration")
        net = build(settings)
        net.load_state_dict(state)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{model.path}: not the weights of an hdac network ({error})") from error
    return net.eval().requires_grad_(False)


def export_model(
    net: AnyNet | LandmarkNet,
    name: str,
    folder: Path,
    note: str,
    licence: str = LICENCE,
    exact: bool = False,
) -> Path:
    """Writes a network in fp16, or as it is, under its hashed name; `note` says where its weights
    come from."""
    metadata = {"config": json.dumps(asdict(net.config)), "licence": licence, "note": note}
    data = safetensors.torch.save(net.state_dict() if exact else half(net), metadata)
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:8]}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def single(value: Tensor) -> Tensor:
    """float32, as networks are run (counters stay integers)."""
    return value.float() if value.is_floating_point() else value


def half(net: torch.nn.Module) -> dict[str, Tensor]:
    """A network's state in fp16 on the CPU, as weights are kept (counters stay integers)."""
    state = {key: value.detach().cpu() for key, value in net.state_dict().items()}
    return {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}
