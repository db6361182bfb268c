"""The days of a simulated fleet, numbered from 1, and which release was the newest on each. Pure.

newest_releases(load_process(), days=30)[-1]  ->  Newest(on_day=30, release="4.21", since=-87, last_patch=80)
"""

from datetime import date, timedelta
from typing import NamedTuple

from layercensus.simulate.process import Process


class Newest(NamedTuple):
    """The newest release on a day, since when it is there, and where its patches end; a row of `newest` in SQL."""

    on_day: int
    release: str
    since: int
    last_patch: int


def days_of(process: Process, days: int) -> list[date]:
    """So many days, the last one that of the process."""
    return [process.last_day - timedelta(days=back) for back in reversed(range(days))]


def newest_releases(process: Process, days: int) -> list[Newest]:
    """Newest release of every day that a cluster may look at, however far behind; before the first it is the first."""
    upgrades = process.parts["upgrades"]
    before = upgrades["most_days_behind"] + max(every for _, every in upgrades["every_days"])
    first_day = process.last_day - timedelta(days=days - 1)
    releases = [(release, (day - first_day).days + 1) for release, day in process.releases]
    found = []
    for on_day in range(1 - before, days + 1):
        release, since = [releases[0], *(entry for entry in releases if entry[1] <= on_day)][-1]
        found.append(Newest(on_day, release, since, upgrades["most_patches"]))
    return found
