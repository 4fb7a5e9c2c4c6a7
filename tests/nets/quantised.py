"""Int8 networks of motion models that find their parameters themselves."""

from pathlib import Path

import numpy as np
import torch

from hdac.bitstream.container import NumberFormat
from hdac.motion.facemesh import POINTS
from hdac.runtime.backends import open_backend
from hdac.runtime.models import ModelFile, model_from_path
from hdac.runtime.pytorch import TorchAnimation
from hdac.training.faces import FaceBatch
from hdac.training.graphs import export_animation


def check_quantised(model: ModelFile, folder: Path) -> ModelFile:
    """Calibrated on noise, it finds what the other one finds; returns the int8 model."""
    planes, points = torch.rand(3, 4, 6, 64, 64), torch.rand(2, 4, POINTS, 2)
    int8 = model_from_path(export_animation(model, folder, FaceBatch(*planes, *points)))
    assert int8.number_format is NumberFormat.INT8
    one = planes[0, :1].numpy()
    found = open_backend(int8, "cpu", 1).detect(one)
    assert np.abs(found - TorchAnimation(model, "cpu").detect(one)).max() < 1e-3
    return int8
