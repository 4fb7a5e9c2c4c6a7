"""Where decoded pictures of a call go: a file, a window, a virtual camera, the page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from hdac.bitstream.container import Header
from hdac.codec.audio import ticks_of
from hdac.codec.decoder import Frame
from hdac.codec.files import video_info
from hdac.errors import HdacError, UsageError
from hdac.live.page import PictureServer
from hdac.video.opus import OpusPacket
from hdac.video.sound import OpusDecoder
from hdac.video.writer import VideoWriter, check_output

#: An Opus packet of silence, 2.5 ms: a file has a sound track from its first picture on.
_NOTHING = OpusPacket(0, b"\x80")


_SILENT = "the sound is not played here: -o page plays it, .mkv and .mp4 keep it"


class Output(AbstractContextManager["Output"], ABC):
    """`paced`: it is shown at its time, and what is late is left out; else all is written."""

    paced = True
    notes: list[str]

    def __init__(self) -> None:
        self.notes = []

    @abstractmethod
    def show(self, frame: Frame) -> None: ...

    def play(self, opus: OpusPacket, due: float) -> None:
        """The next packet of the sound; due: when it is to be heard, in seconds of the call."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        pass

    @property
    def closed(self) -> bool:
        """Whether nobody looks any more."""
        return False


class _Feed(Iterator[OpusPacket]):
    """Packets that come one by one: it may give more after it had none."""

    def __init__(self) -> None:
        self.packets = deque([_NOTHING])

    def __next__(self) -> OpusPacket:
        if not self.packets:
            raise StopIteration
        return self.packets.popleft()


class File(Output):
    """Every frame, concealed ones too. Whole when the call ends, also by Ctrl-C; where no picture
    came there is none, and `HdacError` says so."""

    paced = False

    def __init__(self, header: Header, path: Path, force: bool, sound: bool) -> None:
        super().__init__()
        self._heard = _Feed()
        info, audio = video_info(header, path), self._heard if sound else ()
        self._writer = VideoWriter(info, force, timed=bool(header.clock), audio=audio)
        self.notes = self._writer.notes
        self._start: Fraction | None = None

    def show(self, frame: Frame) -> None:
        self._start = frame.time if self._start is None else self._start
        self._writer.write(frame.picture, frame.time - self._start)

    def play(self, opus: OpusPacket, due: float) -> None:
        if self._start is None or not self._writer.audible:
            return
        time = opus.time - ticks_of(self._start)
        if time >= _NOTHING.end:
            self._heard.packets.append(opus._replace(time=time))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        empty = HdacError(f"no picture came: {self._writer.path} is not written")
        if kind is None and self._start is None:
            self._writer.__exit__(HdacError, empty, None)  # nothing is kept
            raise empty
        self._writer.__exit__(kind, error, trace)


class Window(Output):
    def __init__(self, title: str, sound: bool) -> None:
        super().__init__()
        self.notes += [_SILENT] * sound
        try:
            import tkinter
        except ImportError as error:
            raise UsageError(
                "-o window: this Python has no tkinter (Debian: apt install python3-tk); use -o "
                "page, or a file"
            ) from error
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise UsageError(f"-o window: no display ({error}); use -o page, or a file") from error
        self._root.title(title)
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        self._label, self._closed = tkinter.Label(self._root, borderwidth=0), False
        self._label.pack()
        self._image: Any = None

    def _close(self) -> None:
        self._closed = True

    def show(self, frame: Frame) -> None:
        import tkinter

        rgb = frame.to_rgb()
        head = f"P6 {rgb.shape[1]} {rgb.shape[0]} 255 ".encode()
        self._image = tkinter.PhotoImage(data=head + rgb.tobytes(), format="PPM")
        self._label.configure(image=self._image)
        self._root.update()

    @property
    def closed(self) -> bool:
        if not self._closed:
            self._root.update()
        return self._closed

    def __exit__(self, *_: object) -> None:
        self._root.destroy()


class VirtualCamera(Output):
    def __init__(self, header: Header, sound: bool) -> None:
        super().__init__()
        self.notes += [_SILENT] * sound
        import pyvirtualcam

        try:
            self._camera = pyvirtualcam.Camera(header.width, header.height, float(header.fps))
        except (RuntimeError, ValueError) as error:
            raise UsageError(
                f"-o virtual-camera: this system has none ({str(error).strip()}); Linux: load the "
                "module v4l2loopback (modprobe v4l2loopback), Windows and macOS: install OBS; or "
                "use -o window, page or a file"
            ) from error
        self.notes.append(f"pictures go to {self._camera.device}")

    def show(self, frame: Frame) -> None:
        self._camera.send(frame.to_rgb())

    def __exit__(self, *_: object) -> None:
        self._camera.close()


class Page(Output):
    """`pictures`: what serves them, and the sound."""

    def __init__(self, pictures: PictureServer) -> None:
        super().__init__()
        self._pictures, self._decoder = pictures, OpusDecoder()

    def show(self, frame: Frame) -> None:
        self._pictures.publish(frame)

    def play(self, opus: OpusPacket, due: float) -> None:
        self._pictures.say(self._decoder.push(opus), due)


KINDS = ("window", "page", "virtual-camera")


def check(name: str, force: bool) -> None:
    """Raises `UsageError` for an output that cannot be, before anything is asked of the network."""
    if name not in KINDS:
        try:
            check_output(Path(name), force)
        except UsageError as error:
            raise UsageError(f"{error} (or -o window, page or virtual-camera)") from error
