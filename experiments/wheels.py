"""Whether pip finds wheels of all that hdac needs, for other systems and Pythons: prints a table.

`python experiments/wheels.py` asks the index that pip is configured for; nothing is installed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from hdac.bench.cells import markdown

#: System -> pip's names of its platforms, the oldest that is looked for first.
PLATFORMS = {
    "Linux x86-64": ("manylinux2014_x86_64", "manylinux_2_28_x86_64"),
    "Linux aarch64": ("manylinux2014_aarch64", "manylinux_2_28_aarch64", "manylinux_2_31_aarch64"),
    "macOS arm64": ("macosx_11_0_arm64", "macosx_12_0_arm64", "macosx_14_0_arm64"),
    "Windows x86-64": ("win_amd64",),
}
PYTHONS = ("3.11", "3.12", "3.13")


def versions(requirements: list[str], platforms: tuple[str, ...], python: str) -> dict[str, str]:
    """What pip would install, by name. Raises `RuntimeError` with what it lacks."""
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--report", "-"]
    words += ["--ignore-installed", "--only-binary=:all:", "--target", "none"]
    words += ["--python-version", python, "--implementation", "cp"]
    words += [word for name in platforms for word in ("--platform", name)]
    done = subprocess.run([*words, *requirements], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise RuntimeError(lines[-1] if lines else done.stderr[-300:])
    found = json.loads(done.stdout)["install"]
    return {entry["metadata"]["name"]: entry["metadata"]["version"] for entry in found}


def main() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    requirements = tomllib.loads(text)["project"]["dependencies"]
    rows = []
    for system, platforms in PLATFORMS.items():
        cells = []
        for python in PYTHONS:
            try:
                cells.append(f"{len(versions(requirements, platforms, python))} packages")
            except RuntimeError as error:
                print(f"{system}, Python {python}: {error}", file=sys.stderr)
                cells.append("missing")
        rows.append([system, *cells])
    print(markdown(["", *(f"Python {python}" for python in PYTHONS)], rows), end="")


if __name__ == "__main__":
    main()
