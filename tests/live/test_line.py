"""The simulated line does what it says, and the same in every run."""

from itertools import groupby

import pytest

from hdac.live.line import Line, LineConfig


def arrivals(line: Line, count: int = 4000, size: int = 100) -> list[tuple[float, int]]:
    """When numbered datagrams come, one sent each 10 ms; looked for each millisecond."""
    came = list[tuple[float, int]]()
    for tick in range(10 * count + 2000):
        now = tick / 1000
        if tick % 10 == 0 and tick < 10 * count:
            line.send((tick // 10).to_bytes(size, "big"), now)
        came += [(now, int.from_bytes(data, "big")) for data in line.receive(now)]
    return came


def test_a_clean_line_only_delays() -> None:
    came = arrivals(Line(LineConfig(delay=0.05)), 50)
    assert [n for _, n in came] == list(range(50))
    assert all(now == pytest.approx(n / 100 + 0.05, abs=0.0011) for now, n in came)


@pytest.mark.parametrize(("loss", "burst"), [(0.05, 1), (0.2, 1), (0.05, 5)])
def test_loss_and_its_bursts(loss: float, burst: float) -> None:
    line = Line(LineConfig(loss=loss, burst=burst), seed=3)
    there = {n for _, n in arrivals(line)}
    lost = [n not in there for n in range(4000)]
    assert line.lost == sum(lost)
    assert sum(lost) / 4000 == pytest.approx(loss, rel=0.2)
    runs = [len(list(run)) for is_lost, run in groupby(lost) if is_lost]
    assert sum(runs) / len(runs) == pytest.approx(max(burst, 1 / (1 - loss)), rel=0.2)


def test_runs_are_the_same() -> None:
    config = LineConfig(loss=0.1, jitter=0.02, reordered=0.05, doubled=0.05)
    assert arrivals(Line(config, 1), 300) == arrivals(Line(config, 1), 300)
    assert arrivals(Line(config, 1), 300) != arrivals(Line(config, 2), 300)


def test_order_and_doubles() -> None:
    numbers = [n for _, n in arrivals(Line(LineConfig(reordered=0.1, doubled=0.1)), 1000)]
    assert set(numbers) == set(range(1000))
    assert numbers != sorted(numbers)
    assert len(numbers) == pytest.approx(1100, rel=0.05)


def test_a_narrow_line_queues_and_drops() -> None:
    """80 kbps arrive at one of 40: half is lost, and what comes has waited for the whole queue."""
    line = Line(LineConfig(delay=0.0, rate=40_000, queue=2000))
    came = arrivals(line, 400)
    assert len(came) == pytest.approx(200, abs=25)
    assert max(now - n / 100 for now, n in came) == pytest.approx(0.4, abs=0.03)
    assert line.queued <= 2000


def test_large_datagrams_are_lost_more_often() -> None:
    line = Line(LineConfig(loss=0.1), seed=1)
    arrivals(line, 1000, 3400)  # three fragments
    assert line.lost / 1000 == pytest.approx(1 - 0.9**3, rel=0.15)
