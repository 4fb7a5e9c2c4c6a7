"""Networks on one thread each, in a host that keeps its own."""

import json
import os
import subprocess
import sys

import pytest

#: Fuses a picture in each worker; prints what torch says of its threads, and the picture's hashes.
SCRIPT = """
import hashlib, json, sys, threading, torch
from hdac.nets.fusion import Reference
from hdac.nets.keypoints import thumbnail
from concurrent.futures import ThreadPoolExecutor
from hdac.nets.threads import take_one_thread
from hdac.nets.zoo import load_model
from hdac.runtime.models import find_model

if sys.argv[1] != "-":
    torch.set_num_threads(int(sys.argv[1]))
before = torch.get_num_threads()
net = load_model(find_model("hdac-s")).to(memory_format=torch.channels_last)
g = torch.Generator().manual_seed(0)
base, held = torch.rand(2, 1, 6, 96, 136, generator=g)
base = torch.nn.functional.avg_pool2d(base, 3, 1, 1)
together, seen = threading.Barrier(2), []

@torch.inference_mode()
def fuse(wait=True):
    if wait:
        together.wait()
    qp, points = torch.tensor([40.0]), [net.detector(thumbnail(p)) for p in (base, held)]
    reference = Reference(held, net.encode(held, qp), points[1])
    planes = net(base, qp, reference, points[0], torch.ones(1)).planes
    return torch.get_num_threads(), hashlib.sha256(planes.numpy().tobytes()).hexdigest()

if len(sys.argv) > 2:
    pool = ThreadPoolExecutor(2, "fuse", take_one_thread)
    found = [job.result() for job in [pool.submit(fuse) for _ in range(2)]]
else:
    found = [fuse(False)]
late = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
late.start()
late.join()
print(json.dumps([before, torch.get_num_threads(), seen[0], found]))
"""


def run(threads: str, *pool: str, **environment: str) -> list:
    clean = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, threads, *pool],
        capture_output=True, text=True, env={**clean, **environment}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_one_thread_each_and_the_host_keeps_its_own() -> None:
    before, after, later, found = run("3", "pool")
    assert (before, after, later) == (3, 3, 3)
    assert [threads for threads, _ in found] == [1, 1]
    *_, ((threads, bits),) = run("-", OMP_NUM_THREADS="1")
    assert threads == 1
    assert {bits} == {bits_of for _, bits_of in found}


def test_a_host_that_never_asked() -> None:
    before, after, later, found = run("-", "pool", OMP_NUM_THREADS="2")
    assert (before, after, later) == (2, 2, 2)
    assert [threads for threads, _ in found] == [1, 1]


#: Uses hdac in a parent as the argument says, forks, and uses it in the child.
FORK = """
import os, sys
import numpy as np
import hdac
from multiprocessing import get_context

pictures = [np.full((64, 64, 3), 40 * i, np.uint8) for i in range(3)]

def use(*_):
    data = hdac.encode(pictures, qp_base=46, preset="fast")
    return [data, *(frame.to_rgb().tobytes() for frame in hdac.decode(data))]

def refused(function, *given):
    try:
        function(*given)
    except hdac.UsageError as error:
        return str(error)

before = sys.argv[1]
held = hdac.Encoder(64, 64, 25, hdac.EncoderConfig(qp_base=46))
if before == "opened":
    held.push(hdac.Picture.from_rgb(pictures[1]))
expected = None if before == "opened" else use()
if before == "pool":
    with get_context("fork").Pool(2) as pool:
        for message in pool.starmap(refused, [(use,)] * 3):
            assert "forked from one that had run networks" in message
    sys.exit()
if child := os.fork():
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
push = held.push, hdac.Picture.from_rgb(pictures[0])
found = refused(*push), refused(use)
os._exit(
    "forked after the encoder or decoder was opened" not in found[0]
    or "forked from one that had run networks" not in found[1]
)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("before", ["used", "pool", "opened"])
def test_a_forked_child_says_that_it_cannot(before: str) -> None:
    """It would wait for ever for threads that it lacks."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, before],
        capture_output=True, text=True, timeout=100, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
