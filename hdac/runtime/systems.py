"""Networks of other systems' motion models: what their parameters are."""

from __future__ import annotations

#: By the name of a system (`config.system` of a model).
SYSTEMS = {
    "hdac-face": "face",
    "motion-spade-static": "landmarks",
    "motion-spade-dynamic": "keypoints",
    "motion-spade-map": "regions",
    "agarwal": "keypoints",
    "landmark-gan": "landmarks",
    "cfte": "feature",
    "fv2v": "pose",
}
#: Parameters that landmarks say; others a network finds itself.
FROM_LANDMARKS = ("landmarks", "regions")
#: Those a part of which a network fits to landmarks.
FITTED = ("face", "pose")
