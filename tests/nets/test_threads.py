"""Networks on one thread each, in a host that keeps its own."""

import json
import os
import subprocess
import sys

#: Fuses a picture in each worker; prints what torch says of its threads, and the picture's hashes.
SCRIPT = """
import hashlib, json, sys, threading, torch
from hdac.nets.fusion import Reference
from hdac.nets.keypoints import thumbnail
from hdac.nets.threads import one_thread_pool
from hdac.nets.zoo import find_model, load_model

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
    pool = one_thread_pool(2, "fuse")
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
