"""Calls over simulated lines: sender, line, receiver, decoder; seeded, in virtual time."""

import pytest

from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Level
from hdac.live.line import Line, LineConfig
from hdac.live.simulation import Call, Outcome
from hdac.video.picture import Picture
from tests.codec.test_rate import scene

FRAMES = 200
PICTURES = scene(2, FRAMES, 0.4)


def call(
    line: LineConfig, mode: str = "base", level: Level = "base", pictures: list[Picture] = PICTURES
) -> Call:
    config = EncoderConfig(mode=mode, preset="fast", kbps=12, live=True)  # type: ignore[arg-type]
    return Call(config, pictures, Line(line, 1), Line(line, 2), level)


def share(outcome: Outcome) -> float:
    """Of frame times with a new right picture."""
    return sum(outcome.new) / len(outcome.new)


def sound(outcome: Outcome) -> bool:
    """What must hold on every line."""
    return not outcome.errors and not outcome.wrong


def test_a_clean_line_costs_nothing() -> None:
    one = call(LineConfig())
    outcome = one.run()
    assert sound(outcome)
    assert all(outcome.new)
    assert (outcome.concealed, outcome.starts) == (0, 1)
    assert one.sender.datagrams == FRAMES  # no copies
    assert one.forward.sent_bytes < sum(outcome.bits) / 8 + 10 * FRAMES


@pytest.mark.parametrize(
    ("loss", "burst", "least"), [(0.01, 1, 0.97), (0.05, 1, 0.95), (0.2, 1, 0.9), (0.05, 5, 0.85)]
)
def test_lossy_lines(loss: float, burst: float, least: float) -> None:
    outcome = call(LineConfig(loss=loss, burst=burst)).run()
    assert sound(outcome)
    assert share(outcome) >= least
    assert outcome.recovered > 0


def test_five_percent_in_mode_hybrid() -> None:
    """The goal: no error, no wrong picture, 90 % of frame times with a new right one."""
    outcome = call(LineConfig(loss=0.05), "hybrid", "fused", PICTURES[:120]).run()
    assert sound(outcome)
    assert share(outcome) >= 0.9


def test_without_the_transport_it_would_not_be_so() -> None:
    """The tests can fail: a sender that hears no reports makes no copies, sends nothing again and
    starts no GOP."""
    one = call(LineConfig(loss=0.05))
    one.sender.report = lambda data, now: []  # type: ignore[method-assign]
    outcome = one.run()
    assert sound(outcome)
    assert share(outcome) < 0.6


def test_order_and_doubles_and_jitter() -> None:
    outcome = call(LineConfig(reordered=0.1, doubled=0.1, jitter=0.01, delay=0.03)).run()
    assert sound(outcome)
    assert outcome.concealed == 0
    assert share(outcome) >= 0.9


def test_an_outage_ends_with_a_refresh() -> None:
    """Two seconds without a line: nothing is wrong, and pictures move again within a second."""
    one = call(LineConfig())

    def cut(loss: float) -> None:
        for line in (one.forward, one.back):
            line.config = LineConfig(loss=loss)

    one.steps = {60: lambda _: cut(1.0), 110: lambda _: cut(0.0)}
    outcome = one.run()
    assert sound(outcome)
    assert all(outcome.new[:60])
    assert not any(outcome.new[62:110])
    assert all(outcome.new[140:])
    assert outcome.starts <= 3


def test_a_narrow_line_lowers_the_rate() -> None:
    """What is too much for the line is not sent; with more room the rate rises again."""
    one = call(LineConfig(rate=30_000))
    one.steps = {40: lambda c: c.forward.set_rate(9000), 90: lambda c: c.forward.set_rate(30_000)}
    outcome = one.run()
    assert sound(outcome)
    assert min(outcome.rates[:40]) == 12_000
    assert max(outcome.rates[60:90]) < 9000
    assert outcome.rates[-1] > 1.2 * min(outcome.rates)
    assert outcome.left_out > 0
    assert one.forward.queued <= 8000


def test_a_flood_of_refresh_requests() -> None:
    """A GOP is asked for at each picture: two a second start, the rate holds, pictures go on."""
    one = call(LineConfig())
    one.sender.take_refresh = lambda now: True  # type: ignore[method-assign]
    outcome = one.run()
    assert sound(outcome)
    assert all(outcome.new)
    assert 10 < outcome.starts <= 2 * FRAMES / 25 + 1
    assert sum(outcome.bits) / (FRAMES / 25) < 1.5 * 12_000
