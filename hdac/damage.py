"""What is wrong with a stream, place by place."""

from __future__ import annotations

from hdac.errors import IncompleteError


class Damage(list[str]):
    """The first hundred places in words; `more`: how many others there are (a hostile stream has as
    many as it has bytes)."""

    KEPT = 100
    more = 0

    def append(self, words: str) -> None:
        if len(self) < self.KEPT:
            super().append(words)
        else:
            self.more += 1

    def joined(self, later: Damage) -> Damage:
        """All of this, and what is in another one behind it."""
        found = Damage()
        for words in (*self, *later):
            found.append(words)
        found.more += self.more + later.more
        return found

    def lines(self) -> list[str]:
        """What can be printed: the words, and how many are left out."""
        return [*self, *[f"and {self.more} places more"] * bool(self.more)]


def incomplete(frames: int, damage: Damage) -> IncompleteError:
    """What is raised behind the frames of a damaged stream."""
    left = len(damage) - 5 + damage.more
    more = f" (and {left} places more)" if left > 0 else ""
    return IncompleteError(
        f"{frames} frames were decoded; some are missing: {'; '.join(damage[:5])}{more}"
    )
