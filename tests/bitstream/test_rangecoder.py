import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdac.bitstream.rangecoder import Adaptive, Integer, Reader, Signed, Writer
from hdac.errors import DamagedError


def test_golden_bytes() -> None:
    """The exact bytes of a fixed input: a change here breaks every stream there is."""
    writer, binary, size, delta = Writer(), Adaptive(2), Integer(), Signed()
    for i in range(40):
        writer.symbol(binary, i % 5 == 0)
        size.code(writer, 17 * i % 300)
        delta.code(writer, i % 7 - 3)
        writer.bit(1 + 331 * i % 4095, i % 3 == 0)
    writer.uniform(1000, 777)
    assert writer.finish().hex() == GOLDEN
    reader = Reader(bytes.fromhex(GOLDEN), bits_left=40)
    binary, size, delta = Adaptive(2), Integer(), Signed()
    for i in range(40):
        assert reader.symbol(binary, None) == (i % 5 == 0)
        assert size.code(reader, None) == 17 * i % 300
        assert delta.code(reader, None) == i % 7 - 3
        assert reader.bit(1 + 331 * i % 4095, None) == (i % 3 == 0)
    assert reader.uniform(1000, None) == 777
    assert reader.spent == pytest.approx(writer.spent)


GOLDEN = (
    "8022cc57a1a380a0358bab1e70d4c6e71c374e79fc81d47ba21675950563bbb032e8ee88185f12f82609f3d8d3"
    "09c445f76046a26f208fefdaec3075dde8228e69021bd76d5eb44e3ccbf6a7d2fe04"
)


@given(
    st.lists(st.integers(0, 2**24 - 1)),
    st.lists(st.integers(-1024, 1024)),
    st.lists(st.tuples(st.integers(1, 4095), st.integers(0, 1))),
)
def test_round_trip(sizes: list[int], deltas: list[int], flags: list[tuple[int, int]]) -> None:
    writer, integer, signed = Writer(), Integer(), Signed()
    for value in sizes:
        integer.code(writer, value)
    for value in deltas:
        signed.code(writer, value)
    for p, value in flags:
        writer.bit(p, value)
    assert writer.bits == len(flags)
    reader, integer, signed = Reader(writer.finish(), writer.bits), Integer(), Signed()
    assert [integer.code(reader, None) for _ in sizes] == sizes
    assert [signed.code(reader, None) for _ in deltas] == deltas
    assert [reader.bit(p, None) for p, _ in flags] == [value for _, value in flags]


@settings(max_examples=300)
@given(st.data())
def test_against_exact_arithmetic(data: st.DataObject) -> None:
    """Narrows one long number's interval without carries or renormalisation as it goes; the bytes
    lie in it, and none shorter does. Steep probabilities make long runs of 0 and 255."""
    p = data.draw(st.sampled_from([1, 5, 2048, 4000, 4095]))
    bins = data.draw(st.lists(st.integers(0, 1), max_size=80))
    sizes = data.draw(st.lists(st.sampled_from([2, 3, 255, 256, 65535, 65536]), max_size=20))
    low, width, scale = 0, 1 << 48, 48

    def narrow(start: int, size: int) -> None:
        nonlocal low, width, scale
        low, width = low + start, size
        while width < 1 << 40:
            low, width, scale = low << 8, width << 8, scale + 8

    writer = Writer()
    for value in bins:
        writer.bit(p, value)
        bound = (width >> 12) * p
        narrow(0 if value else bound, bound if value else width - bound)
    for size in sizes:
        value = data.draw(st.sampled_from([0, size // 2, size - 1]))
        writer.uniform(size, value)
        unit = width // size
        narrow(unit * value, width - unit * value if value == size - 1 else unit)
    found = writer.finish()
    assert low <= int.from_bytes(found, "big") << scale - 8 * len(found) < low + width
    if found:
        short = scale - 8 * (len(found) - 1)
        assert -(-low >> short) << short >= low + width


@pytest.mark.parametrize(("last", "start"), [(0, "7fffffff"), (2, "80")])
def test_carry_runs_through_finished_bytes(last: int, start: str) -> None:
    """Ever narrower around a half: 7f ff ff ... until the last symbol makes it 80 00 00 ..."""
    values = [1] * 24 + [last]
    writer = Writer()
    for value in values:
        writer.uniform(3, value)
    data = writer.finish()
    assert data.hex().startswith(start)
    reader = Reader(data)
    assert [reader.uniform(3, None) for _ in values] == values


def test_size_is_near_the_information_content() -> None:
    rng, writer, model = random.Random(1), Writer(), Adaptive(2)
    for _ in range(5000):
        writer.symbol(model, rng.random() < 0.05)
    assert 0 <= len(writer.finish()) * 8 - writer.spent < 8
    assert writer.spent < 5000 * 0.35  # the entropy of 5 % is 0.286 bits


@given(st.binary(max_size=60))
def test_any_bytes_decode(data: bytes) -> None:
    """What a syntax cannot mean is for its reader to refuse; the coder itself never stumbles."""
    reader, integer, signed, model = Reader(data, 50), Integer(), Signed(), Adaptive(5)
    for i in range(50):
        assert 0 <= integer.code(reader, None) < 2**24
        assert abs(signed.code(reader, None)) <= 1024
        assert 0 <= reader.symbol(model, None) < 5
        assert reader.bit(1 + 83 * i, None) in (0, 1)


def test_bins_are_counted() -> None:
    reader = Reader(b"", bits_left=3)
    for _ in range(3):
        reader.bit(5, None)
    with pytest.raises(DamagedError, match="more bins than"):
        reader.bit(5, None)


def test_zeros_at_the_end_change_nothing() -> None:
    writer, integer = Writer(), Integer()
    for i in range(30):
        integer.code(writer, i * i)
    reader, integer = Reader(writer.finish() + bytes(50)), Integer()
    assert [integer.code(reader, None) for _ in range(30)] == [i * i for i in range(30)]


def test_nothing_takes_no_bytes() -> None:
    assert Writer().finish() == b""


@pytest.mark.parametrize("value", [-1, 1 << 24])
def test_integer_refuses_what_it_cannot_code(value: int) -> None:
    with pytest.raises(ValueError, match=str(value)):
        Integer().code(Writer(), value)


@pytest.mark.parametrize("value", [-1025, 1025])
def test_signed_refuses_what_it_cannot_code(value: int) -> None:
    writer = Writer()
    with pytest.raises(ValueError, match=str(value)):
        Signed().code(writer, value)
    assert writer.spent == 0
