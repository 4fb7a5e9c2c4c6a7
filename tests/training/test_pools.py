"""Processes that work side by side, and what becomes of work that waits."""

from pathlib import Path

import pytest

from hdac.training.pools import processes


def test_what_waits_is_dropped_where_an_exception_ends_it(tmp_path: Path) -> None:
    wanted = [tmp_path / str(number) for number in range(3000)]
    with pytest.raises(KeyboardInterrupt), processes(1) as pool:  # noqa: PT012
        done = pool.map(Path.touch, wanted)
        assert next(done) is None
        raise KeyboardInterrupt
    assert 0 < len(list(tmp_path.iterdir())) < len(wanted)


def test_everything_is_done_otherwise(tmp_path: Path) -> None:
    wanted = [tmp_path / str(number) for number in range(5)]
    with processes(2) as pool:
        pool.map(Path.touch, wanted)
    assert all(path.exists() for path in wanted)
