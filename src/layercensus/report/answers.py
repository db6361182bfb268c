"""From an engine's answers to a `Report`: which signal, which day, and what of it may be told.

Pure but for the engine passed in. What it reads is the answers of `data/questions`; figures are made in `population`,
`trends` and `beside`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from layercensus.errors import Fault, NothingToDoError, UsageError
from layercensus.model import Need
from layercensus.report import beside, trends
from layercensus.report.answer_values import Answering, is_day, text_of
from layercensus.report.estimator import Sums
from layercensus.report.figures import Part
from layercensus.report.population import (
    NOTHING,
    Key,
    Numerators,
    by_key,
    cells,
    groups_of,
    headline,
    merged,
    needs,
    part,
)
from layercensus.report.shape import (
    SIMULATED,
    UNKNOWN_KEY,
    Accounts,
    By,
    Proxy,
    Published,
    Report,
    TrendDay,
    Weighted,
    WhatIfBlocked,
)
from layercensus.report.suppression import Size, is_told, suppressed_by_week

# In the order in which one is taken where nobody chose.
POPULATIONS = {
    "layercensus": "clusters that chose to report",
    "mcd": "clusters whose MCD gauge was recorded",
    "capture": "these captures",
}
_ALL: Key = ("all", None)
_DIMENSIONS_OF_CELLS = {"release": "release", "platform": "platform", "class": "account_class"}
_UNTOLD = Part(None, None, None, None, None, suppressed=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is asked for beside the number.

    `is_simulated`: the rows were made up. `has_accounts`, `has_known_clusters`: whether the engine holds a list of
    accounts, of clusters that exist. `margins`: known clusters of each cell made of `margin_columns`. `min_clusters`:
    as small as a part may be that is published, or None where nothing is.
    """

    is_simulated: bool = False
    has_accounts: bool = False
    has_known_clusters: bool = False
    margin_columns: Sequence[str] = ()
    margins: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    min_clusters: int | None = None

    @property
    def least(self) -> int:
        """Fewest units of which anything is told."""
        return self.min_clusters or 1


def build_report(engine: Answering, *, as_of: str | None, signal: str | None, asked: Asked | None = None) -> Report:
    """Answer for one day and one signal.

    `as_of` is a day as 2026-03-01, by default the newest of the signal; `signal` is by default `layercensus`, else
    `mcd`, else `capture`, whichever has a row by then. Raises `UsageError` for what is no day or no signal, and
    `NothingToDoError` where the lake has no such row.
    """
    heard = _heard(engine)
    signal, as_of = _chosen(heard, as_of, signal)
    return _Answers(engine, asked or Asked(), signal, as_of, heard).report()


@dataclass(frozen=True, slots=True)
class _Answers:
    """One report in the making."""

    engine: Answering
    asked: Asked
    signal: str
    as_of: str
    heard: Mapping[str, Sequence[str]]

    @property
    def first(self) -> str:
        """The first day of the signal."""
        return self.heard[self.signal][0]

    def report(self) -> Report:
        asked, signal, as_of = self.asked, self.signal, self.as_of
        groups = self._groups()
        whole = groups["all"].get(_ALL, {})
        weekly = trends.week_days(self.first, as_of)
        days = self._trend(weekly)
        weeks = self._weeks(weekly)
        suppressed = self._suppressed(weeks)
        now = {name: found[-1] for name, found in suppressed.items()}
        if asked.min_clusters is not None:
            now["need"] = self._suppressed_needs(weekly, whole)
        by = self._by(groups, whole, now)
        packages = whole.get("packages", NOTHING)
        quality, accounts, without_account = beside.quality(self.engine, signal, as_of, self.first)
        return Report(
            as_of=as_of,
            signal=signal,
            population=SIMULATED if asked.is_simulated else POPULATIONS[signal],
            unit="account" if asked.has_accounts else "cluster",
            headline=headline(whole),
            by=by,
            cells=cells(groups["cell"]) if asked.min_clusters is None else (),
            trend=tuple(days) if asked.min_clusters is None else tuple(day for day in days if day.day in set(weekly)),
            trend_by=trends.trend_by(weeks, suppressed),
            changes=trends.changes(self.engine, signal, as_of, self.first, asked.least),
            concentration=beside.concentration(self.engine, signal, as_of, asked.least),
            what_if_blocked=WhatIfBlocked(part(whole, "packages"), part(whole, "any_local_change")),
            weighted=self._weighted(now) if asked.margins else None,
            known_clusters=(
                beside.known_clusters(self.engine, signal, as_of, packages.sums, asked.least)
                if asked.has_known_clusters
                else None
            ),
            proxy=Proxy(_proxy_bounds(packages.sums)) if signal == "mcd" else None,
            accounts=self._accounts(accounts, without_account) if asked.has_accounts else None,
            published=(Published(asked.least, sum(map(len, now.values()))) if asked.min_clusters is not None else None),
            quality=replace(
                quality,
                silent_clusters=quality.silent_clusters if asked.min_clusters is None else (),
                unknown_release=None if UNKNOWN_KEY in now.get("release", ()) else quality.unknown_release,
                other_signals=tuple(name for name in POPULATIONS if name in self.heard and name != signal),
            ),
        )

    def _groups(self) -> dict[str, dict[Key, Numerators]]:
        """Groups of each dimension; from kept sums where units are clusters."""
        dimensions = ["all", "release", "platform", "cell"]
        if self.asked.has_accounts:
            return {name: self._ask_units(name) for name in [*dimensions, "age", "account_class"]}
        rows = self.engine.ask("population", signal=self.signal, as_of=self.as_of)
        kept = {name: groups_of(row for row in rows if text_of(row, "dimension") == name) for name in dimensions}
        return kept | {"age": self._ask_units("age"), "account_class": {}}

    def _whole(self, day: str) -> Numerators:
        """Every numerator of the whole on another day."""
        if self.asked.has_accounts:
            rows = self.engine.ask("by_unit", signal=self.signal, as_of=day, dimension="all", numerator="every")
        else:
            rows = self.engine.ask("population", signal=self.signal, as_of=day)
        return groups_of(row for row in rows if row.get("dimension", "all") == "all").get(_ALL, {})

    def _ask_units(self, dimension: str) -> dict[Key, Numerators]:
        """Groups of one dimension, by units; with every numerator for the whole, else with those of a headline."""
        numerators = ("every",) if dimension == "all" else ("packages", "packages_or_overrides")
        answers = [
            self.engine.ask("by_unit", signal=self.signal, as_of=self.as_of, dimension=dimension, numerator=numerator)
            for numerator in numerators
        ]
        return groups_of(row for answer in answers for row in answer)

    def _trend(self, weekly: Sequence[str]) -> list[TrendDay]:
        if not self.asked.has_accounts:
            return trends.trend(self.engine, self.signal, self.as_of)
        spoken = {*self.heard[self.signal], self.as_of}
        return trends.weekly_trend(self.engine, self.signal, [day for day in weekly if day in spoken])

    def _weeks(self, days: Sequence[str]) -> trends.Weeks:
        if self.asked.has_accounts:
            dimensions = [*trends.KEPT_DIMENSIONS, "account_class"]
            return trends.weeks_by_key_of_units(self.engine, self.signal, days, dimensions)
        return trends.weeks_by_key(self.engine, self.signal, self.as_of, days)

    def _suppressed(self, weeks: trends.Weeks) -> dict[str, list[frozenset[str]]]:
        """Keys that are published only added up, by dimension and week."""
        if self.asked.min_clusters is None:
            return {}
        return {
            name: suppressed_by_week(
                ({key: found.size for key, found in keys.items()} for keys in days.values()), self.asked.min_clusters
            )
            for name, days in weeks.items()
        }

    def _suppressed_needs(self, weekly: Sequence[str], whole: Numerators) -> frozenset[str]:
        """Needs that are not published, by what they were in each week; `whole`: the figures of the last."""
        weeks = [self._whole(day) for day in weekly[:-1]] + [whole]
        counted = [{need.value: week.get(f"need_{need.value}", NOTHING).sums for need in Need} for week in weeks]
        sizes = [{key: Size(sums.units_with, sums.y, 0.0) for key, sums in week.items()} for week in counted]
        return suppressed_by_week(sizes, self.asked.least, none_is_told=True)[-1]

    def _weighted(self, now: Mapping[str, frozenset[str]]) -> Weighted | None:
        """The weighted share; None where something it is made of is published only added up."""
        asked = self.asked
        if any(now.get(_DIMENSIONS_OF_CELLS[column]) for column in asked.margin_columns):
            return None
        parts = beside.parts_by_cell(self.engine, self.signal, self.as_of, asked.margin_columns)
        return beside.weighted(parts, asked.margins, asked.least)

    def _by(
        self, groups: Mapping[str, Mapping[Key, Numerators]], whole: Numerators, now: Mapping[str, frozenset[str]]
    ) -> By:
        untold = now.get("need", frozenset())
        return By(
            release=merged(groups["release"], now.get("release", frozenset())),
            platform=merged(groups["platform"], now.get("platform", frozenset())),
            # Who is young changes every week, so what stays would tell who came.
            age=by_key(groups["age"]) if self.asked.min_clusters is None else (),
            account_class=merged(groups["account_class"], now.get("account_class", frozenset())),
            need=tuple(replace(one, figures=_UNTOLD) if one.key in untold else one for one in needs(whole)),
        )

    def _accounts(self, accounts: int, without: int) -> Accounts | None:
        internal = headline(next(iter(self._ask_units("internal").values()), {}))
        if not is_told(internal.units, self.asked.least) or not is_told(accounts, self.asked.least):
            return None
        return Accounts(accounts, without, internal)


def _proxy_bounds(sums: Sums) -> tuple[float, float] | None:
    """From none of the machines that the gauge counts to all of them and the unknown ones."""
    total = sums.x + sums.unknown
    return (0.0, (sums.y + sums.unknown) / total) if total else None


def _heard(engine: Answering) -> dict[str, list[str]]:
    """Days that have rows, oldest first, of each signal that has any."""
    days: dict[str, list[str]] = {}
    for row in engine.ask("days"):
        days.setdefault(text_of(row, "signal"), []).append(text_of(row, "on_day"))
    return {signal: sorted(found) for signal, found in days.items()}


def _chosen(heard: Mapping[str, Sequence[str]], as_of: str | None, signal: str | None) -> tuple[str, str]:
    """Signal and day to answer for."""
    if signal is not None and signal not in POPULATIONS:
        raise UsageError(f"there is no signal {signal!r}", "--signal", Fault.USAGE, f"use {', '.join(POPULATIONS)}")
    if as_of is not None and not is_day(as_of):
        raise UsageError(f"{as_of!r} is no day", "--as-of", Fault.USAGE, "write it as 2026-03-01")
    wanted = [name for name in POPULATIONS if name in heard and signal in {None, name}]
    for candidate in wanted:
        days = heard[candidate]
        if as_of is None or days[0] <= as_of:
            return candidate, as_of or days[-1]
    what = "the lake has no row" + (f" of signal {signal}" if signal else "")
    if wanted:
        next_step = f"the first day is {min(heard[name][0] for name in wanted)}"
        raise NothingToDoError(f"{what} on {as_of} or before", next_step=next_step)
    raise NothingToDoError(what, next_step="fill it first: layercensus import PATH or --prometheus URL, or collect")
