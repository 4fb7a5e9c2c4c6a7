"""Names of clips, codecs and rate points as they stand in file names and command lines."""

from __future__ import annotations

import hashlib
import json
import re

from hdac.errors import UsageError

#: Longer names are cut: file systems take 255 bytes, with suffixes.
MAX_STEM = 120
#: No codec may have these names: `<codec>.json` lies beside them.
RESERVED = ("experiment", "environment")
#: No coded file may have these suffixes: they are those of what is known of a point.
_TAKEN = (".json", ".error", ".log")


def number_text(value: float) -> str:
    """A rate parameter in full: whole numbers without a point, others as Python writes them."""
    whole = float(value).is_integer() and abs(value) < 1 << 53
    return str(int(value)) if whole else repr(float(value))


def file_stem(first: str, *parts: str) -> str:
    """A file name without suffix that no other words have: joined by "_" where that can be taken
    apart again, else made plain, with a hash of the words after "~"."""
    joined = "_".join((first, *parts))
    plain = re.fullmatch(r"[A-Za-z0-9_][\w.-]*", first, re.ASCII)
    plain_tail = all(re.fullmatch(r"[A-Za-z0-9.+-]+", part) for part in parts)
    if plain and plain_tail and len(joined) <= MAX_STEM:
        return joined
    digest = hashlib.sha256(json.dumps([first, *parts]).encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', joined)[:MAX_STEM].lstrip('.')}~{digest}"


def check_name(name: str, where: str) -> None:
    """Raises `UsageError` for what is no plain name of a file."""
    if not name.isprintable() or set(name) & set("/\\") or name.strip(". ") != name.strip():
        raise UsageError(
            f"{where}: {name!r} is no plain name: no folders, dots around it, controls"
        )
    if not name or name in RESERVED:
        raise UsageError(f"{where}: {name!r} is not allowed as a name; choose another")


def check_suffix(suffix: str, where: str) -> None:
    """Raises `UsageError` for what is no suffix of a coded file."""
    if not re.fullmatch(r"\.\w{1,8}", suffix) or suffix in _TAKEN:
        taken = ", ".join(_TAKEN)
        raise UsageError(
            f"{where}: suffix = {suffix!r}; expected a point and 1 to 8 letters, none of {taken}"
        )
