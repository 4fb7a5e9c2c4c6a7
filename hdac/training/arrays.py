"""Arrays on disk that are there only when they are whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdac.atomic import write_atomically


def save_whole(path: Path, array: npt.NDArray[Any]) -> None:
    """`numpy.save`, for the file of a clip whose presence says that all of them are written."""
    file = io.BytesIO()
    np.save(file, array)
    write_atomically(path, file.getvalue())
