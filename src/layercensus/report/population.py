"""From sums of the population to figures: the headline, the same by each dimension, and other numerators. Pure.

A row of the questions `population` and `by_unit`:

    {"group_key": "4.14", "second_key": None, "numerator": "packages", "clusters": 3, "units": 3, "sum_x": 10.0, …}
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from layercensus.model import Need
from layercensus.report.answer_values import Answer, maybe_of, sums_of, text_of, whole_of
from layercensus.report.cautions import cautions
from layercensus.report.estimator import Sums, estimate, wilson
from layercensus.report.figures import Cell, Clusters, Group, Headline, Machines, NeedGroup, Part
from layercensus.report.shape import OTHER_KEY, UNKNOWN_KEY

Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Counted:
    """One set of clusters and one numerator. Classes are None where the signal cannot tell them."""

    clusters: int = 0
    classified: int = 0
    with_packages: int = 0
    sums: Sums = field(default_factory=Sums)
    clean: int | None = 0
    extensions: int | None = 0
    overrides: int | None = 0

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(
            self.clusters + other.clusters,
            self.classified + other.classified,
            self.with_packages + other.with_packages,
            self.sums + other.sums,
            _both(self.clean, other.clean),
            _both(self.extensions, other.extensions),
            _both(self.overrides, other.overrides),
        )


# By numerator, of one group of clusters.
Numerators = Mapping[str, Counted]
NOTHING = Counted()


def groups_of(rows: Iterable[Answer]) -> dict[Key, Numerators]:
    """The groups of one dimension, by key."""
    groups: dict[Key, dict[str, Counted]] = {}
    for row in rows:
        second = row.get("second_key")
        key = (text_of(row, "group_key"), second if isinstance(second, str) else None)
        groups.setdefault(key, {})[text_of(row, "numerator")] = Counted(
            clusters=whole_of(row, "clusters"),
            classified=whole_of(row, "clusters_classified"),
            with_packages=whole_of(row, "clusters_with"),
            sums=sums_of(row),
            clean=maybe_of(row, "clean"),
            extensions=maybe_of(row, "extensions"),
            overrides=maybe_of(row, "overrides"),
        )
    return dict(groups)


def headline(group: Numerators) -> Headline:
    """Figures of one group of clusters."""
    cell = group.get("packages", NOTHING)
    found, sums = estimate(cell.sums), cell.sums
    either = estimate(group.get("packages_or_overrides", NOTHING).sums)
    return Headline(
        share=found.share,
        share_any=either.share,
        ci95=found.ci95,
        ci95_any=either.ci95,
        bounds=found.bounds,
        bounds_ci95=found.bounds_ci95,
        machines=Machines(
            clean=cell.clean,
            extensions=cell.extensions,
            overrides=cell.overrides,
            packages=round(sums.y),
            unknown=round(sums.unknown),
            classified=round(sums.x),
            total=round(sums.x + sums.unknown),
        ),
        clusters=Clusters(
            reporting=cell.clusters,
            classified=cell.classified,
            with_packages=cell.with_packages,
            share=cell.with_packages / cell.classified if cell.classified else None,
            # Clusters of one account are no independent draws.
            ci95=wilson(cell.with_packages, cell.classified) if sums.units == cell.classified else None,
        ),
        units=sums.units,
        design_effect=found.design_effect,
        effective_machines=found.effective_machines,
        cautions=cautions(sums),
    )


def part(group: Numerators, numerator: str) -> Part:
    """Figures of one more numerator."""
    cell = group.get(numerator, NOTHING)
    found = estimate(cell.sums)
    told = found.share is not None
    return Part(
        share=found.share,
        ci95=found.ci95,
        bounds=found.bounds,
        machines=round(cell.sums.y) if told else None,
        clusters=cell.with_packages if told else None,
    )


def needs(group: Numerators) -> tuple[NeedGroup, ...]:
    """Figures of each need."""
    return tuple(NeedGroup(need.value, part(group, f"need_{need.value}")) for need in Need)


def by_key(groups: Mapping[Key, Numerators]) -> tuple[Group, ...]:
    """Figures of each group of a dimension, in reading order."""
    return tuple(
        Group(key, headline(groups[key, None])) for key, _ in sorted(groups, key=lambda of: reading_order(of[0]))
    )


def merged(groups: Mapping[Key, Numerators], suppressed: frozenset[str]) -> tuple[Group, ...]:
    """As `by_key`, with the suppressed keys added up in one group; nothing where all of them are."""
    kept = {key: group for key, group in groups.items() if key[0] not in suppressed}
    if not suppressed or not kept:
        return by_key(kept)
    together: dict[str, Counted] = {}
    for key, group in groups.items():
        if key[0] in suppressed:
            together = {name: together.get(name, NOTHING) + group[name] for name in group}
    keys = tuple(sorted((key for key, _ in groups if key in suppressed), key=reading_order))
    return (*by_key(kept), Group(OTHER_KEY, headline(together), keys))


def cells(groups: Mapping[Key, Numerators]) -> tuple[Cell, ...]:
    """Figures of each release on each platform, in reading order."""
    keys = sorted(groups, key=lambda of: (reading_order(of[0]), reading_order(of[1] or "")))
    return tuple(
        Cell(release, platform or UNKNOWN_KEY, headline(groups[release, platform])) for release, platform in keys
    )


def reading_order(key: str) -> tuple[int, list[int], str]:
    """Releases by their numbers, words by the alphabet, what is not known last."""
    numbers = [int(one) for one in key.replace("-", ".").split(".") if one.isdecimal()]
    return int(key == UNKNOWN_KEY), numbers, key


def _both(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left + right
