"""Pictures that are read more than once."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Sequence
from typing import overload

from hdac.errors import UsageError
from hdac.video.picture import Picture

#: Bytes of pictures that are held in memory; more of them lie in a temporary file.
MEMORY = 1 << 29


class Spool(Sequence[Picture]):
    """All pictures of a source, in memory or, if they are many, in a temporary file (1.5 bytes a
    pixel) that goes with the object.

    Raises `UsageError` if they are not all of one size.
    """

    def __init__(self, pictures: Iterable[Picture]) -> None:
        self._file = tempfile.SpooledTemporaryFile(MEMORY)  # noqa: SIM115 (closed with the object)
        weakref.finalize(self, self._file.close)
        self._count = 0
        for picture in pictures:
            size = picture.width, picture.height
            if not self._count:
                self._size = size
            elif size != self._size:
                width, height = self._size
                raise UsageError(
                    f"picture {self._count} is {size[0]}x{size[1]}; the first is {width}x{height}"
                )
            self._file.write(picture.tobytes())
            self._count += 1

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        width, height = self._size
        size = width * height * 3 // 2
        self._file.seek(index * size)
        return Picture.frombytes(self._file.read(size), width, height)
