import random

import pytest
from hypothesis import given
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
    writer.uniform(1000, 777)
    assert writer.finish().hex() == GOLDEN
    reader, binary, size, delta = Reader(bytes.fromhex(GOLDEN)), Adaptive(2), Integer(), Signed()
    for i in range(40):
        assert reader.symbol(binary, None) == (i % 5 == 0)
        assert size.code(reader, None) == 17 * i % 300
        assert delta.code(reader, None) == i % 7 - 3
    assert reader.uniform(1000, None) == 777
    assert reader.spent == pytest.approx(writer.spent)


GOLDEN = (
    "80242ca8bd22350c8c0f680d0f6903b7c17f68e902a274932cca9d8269e1ddf1b371f8b19cdcb4babfe6b825806ab138"
    "ea1f9483901a7aed9a6e8637db8e7f376b9b67d5fa9936"
)


@given(
    st.lists(st.integers(0, 2**24 - 1)), st.lists(st.integers(-1024, 1024)), st.lists(st.booleans())
)
def test_round_trip(sizes: list[int], deltas: list[int], flags: list[bool]) -> None:
    writer, integer, signed, binary = Writer(), Integer(), Signed(), Adaptive(2)
    for value in sizes:
        integer.code(writer, value)
    for value in deltas:
        signed.code(writer, value)
    for flag in flags:
        writer.symbol(binary, flag)
    data = writer.finish()
    reader, integer, signed, binary = Reader(data), Integer(), Signed(), Adaptive(2)
    assert [integer.code(reader, None) for _ in sizes] == sizes
    assert [signed.code(reader, None) for _ in deltas] == deltas
    assert [reader.symbol(binary, None) for _ in flags] == flags


def test_size_is_near_the_information_content() -> None:
    rng, writer, model = random.Random(1), Writer(), Adaptive(2)
    for _ in range(5000):
        writer.symbol(model, rng.random() < 0.05)
    assert len(writer.finish()) * 8 == pytest.approx(writer.spent, abs=64)
    assert writer.spent < 5000 * 0.35  # the entropy of 5 % is 0.286 bits


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_named_as_damaged(data: bytes) -> None:
    reader, integer, signed = Reader(data), Integer(), Signed()
    try:
        for _ in range(50):
            assert 0 <= integer.code(reader, None) < 2**24
            assert abs(signed.code(reader, None)) <= 1024
    except DamagedError:
        pass


@pytest.mark.parametrize("value", [-1, 1 << 24])
def test_integer_refuses_what_it_cannot_code(value: int) -> None:
    with pytest.raises(ValueError, match=str(value)):
        Integer().code(Writer(), value)
