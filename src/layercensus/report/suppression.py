"""Which groups are too small to be published, so that no published figures give them away. Pure.

A group may stand alone if it has at least so many units and none of them holds more than 80 % of its machines. Those
that may not are added up and published as one, which must be such a group too; a total less what is published is
exactly that sum, so it takes at least two groups, and more of them, the smallest first, until it is one.

From week to week the same groups stay together: one that was suppressed stays so until it has grown by as many units as
a group must have, because what it was then is what it is now less what is new. So what is suppressed in a week follows
from all weeks before it, and a lake that reports are published from keeps its days.

Needs are no parts of a whole, but no machine has a local change without one, so one hidden need would be what the
others leave. They are hidden by the same rule, except that a need which nobody has is told.

    Sizes of a week: {"4.12": Size(units=3, machines=40, largest=30), "4.14": Size(120, 1100, 90), …}

References: Cox 1980, JASA 75:377, for complementary suppression; Hundepohl et al. 2012, Statistical Disclosure Control,
sections 4.2 (dominance) and 4.4 (linked tables).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_DOMINANT = 0.8


@dataclass(frozen=True, slots=True)
class Size:
    """A group by its units, its classified machines, and those of its largest unit."""

    units: int
    machines: float
    largest: float

    def may_stand(self, least: int) -> bool:
        """Whether it is large enough to be published."""
        return self.units >= least and self.largest <= _DOMINANT * self.machines


def suppressed_by_week(
    weeks: Iterable[Mapping[str, Size]], least: int, *, none_is_told: bool = False
) -> list[frozenset[str]]:
    """Keys of the groups that are published only added up, for each week in their order.

    `none_is_told`: a group without a unit may be told alone.
    """
    found = []
    # Units that a suppressed key had when it was last suppressed.
    before: dict[str, int] = {}
    for sizes in weeks:
        kept = {key for key in sizes if key in before and sizes[key].units < before[key] + least}
        small = {
            key for key, size in sizes.items() if not (size.may_stand(least) or (none_is_told and size.units == 0))
        }
        together = _completed(sizes, small | kept, least)
        before = {key: units for key, units in before.items() if key not in sizes}
        before |= {key: sizes[key].units for key in together}
        found.append(frozenset(together))
    return found


def is_told(part: int, least: int) -> bool:
    """Whether so many units may be told apart from the rest: none at all, or enough."""
    return part == 0 or part >= least


def _completed(sizes: Mapping[str, Size], keys: set[str], least: int) -> set[str]:
    """The keys, and the smallest others that it takes for their sum to be published."""
    if not keys:
        return keys
    others = sorted((key for key in sizes if key not in keys), key=lambda key: (sizes[key].units, key), reverse=True)
    while others and (len(keys) < 2 or not _added(sizes[key] for key in keys).may_stand(least)):
        keys = keys | {others.pop()}
    return keys


def _added(sizes: Iterable[Size]) -> Size:
    listed: Sequence[Size] = list(sizes)
    return Size(
        sum(one.units for one in listed), sum(one.machines for one in listed), max(one.largest for one in listed)
    )
