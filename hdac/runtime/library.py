"""OpenVINO as a library. Where it is imported first, it sends a message home, by a process of its
own; here it does not: hdac uses the network only where it is asked to."""

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

__all__ = ["openvino"]
