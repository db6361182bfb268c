"""What became of `--release` among the machines of one command: where it did not hold, that is said. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from layercensus.classify.catalog import known_releases
from layercensus.commands.words import counted
from layercensus.model import Census


@dataclass
class AskedRelease:
    """A release that was asked for, how many machines say another, and how many were judged by which in its place."""

    asked: str | None
    overruled: int = 0
    nearest: Counter[str] = field(default_factory=Counter)

    def through(self, censuses: Iterable[Census]) -> Iterator[Census]:
        """Count what comes by."""
        for census in censuses:
            self.add(census)
            yield census

    def add(self, census: Census) -> None:
        """Count a machine that was not judged by the release that was asked for."""
        if self.asked is None:
            return
        if census.booted.release != self.asked:
            self.overruled += 1
        elif self.asked not in known_releases() and census.booted.release_candidates:
            self.nearest[census.booted.release_candidates[0]] += 1

    def lines(self) -> Iterator[str]:
        """Say where the release that was asked for did not hold."""
        if self.overruled:
            say = "says" if self.overruled == 1 else "say"
            yield f"--release {self.asked}: {counted(self.overruled, 'machine')} {say} another release, which was taken"
        for release, count in self.nearest.items():
            judged = f"{counted(count, 'machine')} {'was' if count == 1 else 'were'} judged by {release}, the nearest"
            yield f"--release {self.asked}: has no catalog; {judged}"
