"""`hdac live` end to end, on loopback: a server in a thread, viewers of several kinds.

In real time, so that a busy machine may fail them: they run where HDAC_TEST_LIVE is set.
"""

import asyncio
import datetime
import ipaddress
import json
import os
import queue
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed: pip install 'hdac[live]'")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hdac.codec.config import EncoderConfig
from hdac.errors import StreamError, UsageError
from hdac.live import serve as serving
from hdac.live.http import Response, Server, check_url, post_json, server_context
from hdac.live.join import JoinOptions, join
from hdac.live.meter import Meter
from hdac.live.page import PictureServer
from hdac.live.peer import Channel, accept, connection, offer, opened, use_loopback
from hdac.live.serve import ServeOptions, serve
from hdac.live.sources import disc_picture, open_source
from hdac.live.threads import Loop, Newest
from hdac.video.fidelity import luma_mse, psnr
from hdac.video.reader import VideoReader
from hdac.video.sound import decode_audio
from tests.conftest import Run

pytestmark = pytest.mark.skipif(
    not os.environ.get("HDAC_TEST_LIVE"), reason="in real time: set HDAC_TEST_LIVE=1 to run it"
)
CONFIG = EncoderConfig(mode="base", kbps=40, preset="fast", live=True)


@contextmanager
def server(frames: int = 60, options: ServeOptions | None = None) -> Iterator[str]:
    """The URL of a stream of the test picture; it has ended well, or by itself, afterwards."""
    urls, errors = queue.Queue[str](), list[BaseException]()
    source, _ = open_source("testsrc", (64, 48), Fraction(25), frames, audio=8)

    def run() -> None:
        try:
            serve(source, CONFIG, options or ServeOptions(), urls.put)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield urls.get(timeout=20)
    thread.join(30)
    assert errors == []
    assert not thread.is_alive()


def seen(url: str, path: Path) -> Meter:
    meter, _ = join(url, JoinOptions(str(path)), lambda told: None)
    return meter


def look_alike(path: Path) -> bool:
    """Whether a file's pictures are the test picture's, in order."""
    numbers = []
    originals = [disc_picture(n, 64, 48) for n in range(600)]
    for picture in VideoReader(path):
        errors = [luma_mse(picture, original) for original in originals]
        numbers.append(int(np.argmin(errors)))
        if psnr(max(min(errors), 0.01)) < 25:
            return False
    return len(numbers) > 5 and numbers == sorted(numbers)


def test_a_call(tmp_path: Path) -> None:
    with server() as url:
        assert url.startswith("http://127.0.0.1:")
        meter = seen(url, tmp_path / "out.mkv")
    assert meter.total["errors"] == 0
    assert meter.total["shown"] == meter.total["base"] + meter.total["concealed"] > 5
    assert look_alike(tmp_path / "out.mkv")


def test_a_call_over_a_bad_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of all datagrams is lost: pictures come, right ones, and the sender knows."""
    rng, send = random.Random(2), Channel.send

    def sometimes(self: Channel, data: bytes) -> None:
        if rng.random() > 0.2:
            send(self, data)

    monkeypatch.setattr(Channel, "send", sometimes)
    with server(100) as url:
        meter = seen(url, tmp_path / "out.mkv")
    assert meter.total["errors"] == 0
    assert meter.total["base"] > 5
    assert look_alike(tmp_path / "out.mkv")


def test_sound_in_a_call(tmp_path: Path) -> None:
    """The test picture beeps when its bar begins anew, in what was received, too: in time."""
    with server(100) as url:
        meter = seen(url, tmp_path / "out.mkv")
    reader = VideoReader(tmp_path / "out.mkv", audio=16)
    bars = np.array([(picture.y[-1] > 150).mean() for picture in reader])
    began = np.flatnonzero(np.diff(bars) < -0.5) + 1
    times = np.array(reader.info.times or [40 * n for n in range(len(bars))])[began] / 1000
    loud = list[float]()
    for at, samples in decode_audio(reader.audio):
        (there,) = np.nonzero(np.abs(samples) > 0.1)
        if len(there) and (not loud or float(at) - loud[-1] > 0.5):
            loud.append(float(at) + there[0] / 48000)
    assert len(began) >= 2
    assert all(min(abs(t - beep) for beep in loud) < 0.045 for t in times)  # a frame
    assert meter.total["sound_bits"] > 0


def certificate(folder: Path) -> Path:
    """A key and its certificate for 127.0.0.1, which signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hdac")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_call_by_https(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with server(options=ServeOptions(cert=pem)) as url:
        assert url.startswith("https://")
        with pytest.raises(UsageError, match="certificate verify failed"):
            post_json(url, {})
        asked = JoinOptions(str(tmp_path / "out.mkv"), trusted=pem)
        meter, _ = join(url, asked, lambda told: None)
    assert meter.total["shown"] > 5


def test_the_command_line(hdac: Run, tmp_path: Path) -> None:
    with server() as url:
        code, out, err = hdac("live", "join", url, "-o", tmp_path / "out.y4m", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, rows[0]["stream"]) == (0, "64x48")
    assert rows[-1]["total"]["shown"] > 5
    assert "y4m has no frame times" in err


async def visit(url: str, act: Callable[[Any], Any]) -> None:
    """A viewer that connects, acts on its channel for a while and leaves without a word."""
    peer = connection(None)
    channel, offered = await offer(peer)
    await accept(peer, await asyncio.to_thread(post_json, url, offered))
    await opened(channel)
    await act(channel)
    await peer.close()


async def rage(channel: Any) -> None:
    """Sends what is no report, reports that ask for everything, and never listens."""
    rng = np.random.default_rng(1)
    for n in range(400):
        channel.send(rng.bytes(int(rng.integers(1, 900))))
        channel.send(b"\2" + bytes(25) + bytes([n % 256]) * 64)
        channel.send("text")
        if n % 50 == 0:
            await asyncio.sleep(0.02)


def test_a_viewer_that_misbehaves_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next one sees the stream."""
    monkeypatch.setattr(serving, "_AWAY", 0.0)
    use_loopback("127.0.0.1")
    with server(120) as url:
        asyncio.run(visit(url, rage))
        meter = seen(url, tmp_path / "out.mkv")
    assert meter.total["errors"] == 0
    assert look_alike(tmp_path / "out.mkv")
    assert capsys.readouterr().err.count("is no report") == 1


def test_a_viewer_that_stops_reading_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A process that is stopped: the next one sees the stream, whole."""
    monkeypatch.setattr(serving, "_GONE", 2.0)
    monkeypatch.setattr(serving, "_AWAY", 1.0)
    with server(500) as url:
        command = [sys.executable, "-m", "hdac", "live", "join", url, "-o", tmp_path / "a.mkv"]
        stopped = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert stopped.stderr is not None
        for line in stopped.stderr:
            if "kbps" in line:  # it has been seeing the stream for seconds
                break
        stopped.send_signal(signal.SIGSTOP)
        until = time.monotonic() + 10
        while "the viewer has gone" not in capfd.readouterr().err:
            assert time.monotonic() < until
            time.sleep(0.1)
        meter = seen(url, tmp_path / "b.mkv")
        stopped.kill()
        stopped.wait()
    assert meter.total["errors"] == 0
    assert meter.total["shown"] > 25
    assert look_alike(tmp_path / "b.mkv")


def test_one_viewer_at_a_time(tmp_path: Path) -> None:
    use_loopback("127.0.0.1")

    async def second(channel: Any) -> None:
        with pytest.raises(UsageError, match=r"503.*one viewer at a time"):
            await asyncio.to_thread(post_json, url, {"type": "offer", "sdp": ""})

    with server(30) as url:
        asyncio.run(visit(url, second))


@pytest.mark.parametrize("offered", [{}, {"type": "offer", "sdp": "v=0"}, {"type": 3, "sdp": []}])
def test_offers_that_are_none(offered: dict[str, Any], tmp_path: Path) -> None:
    with server(20) as url:
        with pytest.raises(UsageError, match="400"):
            post_json(url, offered)
        seen(url, tmp_path / "out.mkv")  # and the server goes on


# ---- HTTP


async def echo(request: Any) -> Response:
    return Response(b"%d" % len(request.body))


def raw(url: str, data: bytes) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 5) as line:
        line.sendall(data)
        line.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := line.recv(4096):
            answer += piece
    return answer


def test_requests_are_bounded() -> None:
    with Loop() as loop:
        server = Server(echo, "127.0.0.1", 0)
        loop.run(server.start())
        token = server.token.encode()
        good = b"POST /" + token + b" HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
        assert raw(server.url, good).endswith(b"\r\n\r\n5")
        for bad, status in (
            (good.replace(token, b"x" * 22), b"404"),
            (good.replace(token, b""), b"404"),
            (good.replace(b": 5", b": 70000"), b"400"),
            (b"\x16\x03\x01 TLS\r\n\r\n", b"400"),
        ):
            assert raw(server.url, bad).startswith(b"HTTP/1.1 " + status)
        for bad in (b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000, good[:-2], b""):
            assert not raw(server.url, bad).startswith(b"HTTP/1.1 200")
        assert raw(server.url, good).endswith(b"5")
        loop.run(server.close())


def test_addresses_and_certificates(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    with pytest.raises(UsageError, match="no certificate with its key"):
        server_context(tmp_path / "no.pem", None)
    with pytest.raises(UsageError, match="without --cert"):
        server_context(None, tmp_path / "no.pem")
    with Loop() as loop, pytest.raises(UsageError, match="give an address of this machine"):
        loop.run(Server(echo, "203.0.113.7", 0).start())


@pytest.mark.parametrize("url", ["", "head.hdac", "http://", "ftp://host/abc", "http://[::1/abc"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(UsageError, match="not the URL of a stream"):
        check_url(url)


def test_a_token_that_is_cut_short() -> None:
    with pytest.raises(UsageError, match="give the whole URL"):
        check_url("http://127.0.0.1:8000/abc")


def test_who_answers_but_is_not_ours() -> None:
    with Loop() as loop:
        server = Server(echo, "127.0.0.1", 0)
        loop.run(server.start())
        with pytest.raises(StreamError, match="not that of `hdac live serve`"):
            post_json(server.url, {})
        loop.run(server.close())
        with pytest.raises(UsageError, match="nothing answers there"):
            post_json(server.url, {})


# ---- a peer that stops reading, a thread that is slow


def test_a_channel_does_not_fill_up() -> None:
    class Stuck:
        readyState, bufferedAmount = "open", 0  # noqa: N815

        def on(self, event: str, handler: object) -> None: ...

        def send(self, data: bytes) -> None:
            self.bufferedAmount += len(data)

    stuck = Stuck()
    channel = Channel(stuck, print)  # type: ignore[arg-type]
    for _ in range(1000):
        channel.send(bytes(1000))
    assert stuck.bufferedAmount < 70_000
    assert channel.dropped > 900


def test_who_is_slow_gets_the_newest() -> None:
    newest = Newest[int]()
    for n in range(5):
        newest.put(n)
    assert (newest.get(1), newest.skipped, newest.get(0)) == (4, 4, None)
    newest.end()
    assert newest.ended


# ---- the page


def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


def test_the_page_without_a_browser() -> None:
    """What it is made of is served; what it asks for is there."""
    frame = _frame()
    with Loop() as loop:
        pictures = PictureServer(meter := Meter(True), loop, lambda: 3.0)
        server = Server(pictures.handle, "127.0.0.1", 0)
        loop.run(server.start())
        meter.row(1.0, {"datagrams": 25, "lost_datagrams": 1})
        get = b"GET /" + server.token.encode()
        page = raw(server.url, get + b"/ HTTP/1.1\r\n\r\n")
        assert b'src="pictures"' in page
        assert b"http://" not in page  # nothing from elsewhere
        rows = raw(server.url, get + b"/rows HTTP/1.1\r\n\r\n")
        assert json.loads(rows.partition(b"\r\n\r\n")[2])[0]["datagrams"] == 25
        assert raw(server.url, get + b"/other HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404")
        pictures.publish(frame)
        parts = urlsplit(server.url)
        with socket.create_connection((parts.hostname, parts.port), 5) as line:
            line.sendall(get + b"/pictures HTTP/1.1\r\n\r\n")
            got = b""
            while b"\xff\xd8\xff" not in got:
                got += line.recv(4096)
        assert b"multipart/x-mixed-replace" in got
        with socket.create_connection((parts.hostname, parts.port), 5) as line:
            line.sendall(get + b"/sound HTTP/1.1\r\n\r\n")
            head = line.recv(4096)
            pictures.say(np.array([0, 0.5, -2], np.float32), due=3.25)
            heard = head.partition(b"\r\n\r\n")[2]
            while len(heard) < 18:
                heard += line.recv(4096)
        assert heard == struct.pack("<dI3h", 0.25, 3, 0, 16384, -32768)
        loop.run(server.close())


def _frame() -> Any:
    from hdac.bitstream.container import BaseCodec, Header, Mode
    from hdac.codec.decoder import Frame

    header = Header(Mode.BASE, BaseCodec.HEVC, 64, 48, Fraction(25))
    return Frame(0, disc_picture(0, 64, 48), "base", Fraction(0), header)


#: Whether what the page plays now is a beep.
_LOUD = """() => {
    if (!window.heard) return false;
    const samples = new Float32Array(heard.fftSize);
    heard.getFloatTimeDomainData(samples);
    return Math.max(...samples) > 0.2;
}"""


def test_the_page_in_chromium(capsys: pytest.CaptureFixture[str]) -> None:
    play = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on PATH (Debian: apt install chromium)")
    told, wrong = queue.Queue[dict[str, Any]](), list[str]()
    with server(250) as url:
        options = JoinOptions("page", as_json=True)
        viewer = threading.Thread(target=join, args=(url, options, told.put), daemon=True)
        viewer.start()
        with play.sync_playwright() as playing:
            browser = playing.chromium.launch(executable_path=path, args=["--no-sandbox"])
            page = browser.new_page()
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.goto(told.get(timeout=20)["page"])
            page.wait_for_function("Number(document.body.dataset.rows) >= 2", timeout=60_000)
            assert page.evaluate("document.getElementById('picture').naturalWidth") == 64
            drawn = (
                "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)"
            )
            assert all(page.eval_on_selector(f"#{c}", drawn) for c in ("rate", "loss", "layer"))
            page.click("#play")
            page.wait_for_function(_LOUD, timeout=10_000)  # a beep a second
            browser.close()
        viewer.join(30)
    assert wrong == []
