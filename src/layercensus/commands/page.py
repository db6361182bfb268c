"""The collector's report page: from a lake and the collector's own health to the page that its workers serve."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from layercensus.errors import Fault, FleetError, NothingToDoError
from layercensus.fleet.health import Health
from layercensus.fleet.page_maker import EVERY_SECONDS, MadePage
from layercensus.lake.folder import open_lake, rows_changed_at

if TYPE_CHECKING:
    from layercensus.report.shape import Report

_NEEDS = "in its checkout: pip install '.[report]'"


@dataclass(eq=False)
class PageOfLake:
    """Makes the page of a lake. `min_clusters`: of what is published; None publishes all.

    What is published stays the same for a week, so the lake is asked again only where rows of its days changed.
    """

    lake: Path
    min_clusters: int | None
    _asked_of: tuple[str | None, float | None] | None = None
    _report: "Report | None" = None

    def __call__(self, health: Health) -> MadePage | None:
        """The page, or None where the lake has no row yet.

        Raises `LayerCensusError`: a lake that cannot be read, or libraries that are not there.
        """
        try:
            report = self._ask()
        except NothingToDoError:
            return None
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("layercensus"):
                raise
            what = f"the report page needs the library {error.name}"
            raise FleetError(what, fault=Fault.USAGE, next_step=f"{_NEEDS}, or --page none") from error
        return _draw(report, health)

    def _ask(self) -> "Report":
        from layercensus.lake.engine import read_engine
        from layercensus.report.answers import Asked, build_report

        days = [day.isoformat() for day in open_lake(self.lake).days()]
        as_of = page_day(days) if self.min_clusters else None
        asked_of = (as_of, rows_changed_at(self.lake, as_of))
        if self._report is None or asked_of != self._asked_of:
            # The lake is held still for the questions alone, not while the page is drawn.
            with read_engine(self.lake) as engine:
                asked = Asked(is_simulated=engine.lake.made_by is not None, min_clusters=self.min_clusters)
                self._report = build_report(engine, as_of=as_of, signal=None, asked=asked)
            self._asked_of = asked_of
        return self._report


def _draw(report: "Report", health: Health) -> MadePage:
    from layercensus.report.format_html import content_policy, render_report_html
    from layercensus.report.page.health import Health as Shown

    shown = Shown(
        made_at=datetime.fromtimestamp(int(health.now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        newest_row_seconds=health.newest_row_seconds,
        accepted=health.accepted,
        refused=health.refused,
        period_seconds=health.period_seconds,
        waiting_files=health.waiting_files,
        drain_seconds=health.drain_seconds,
        every_seconds=EVERY_SECONDS,
    )
    return MadePage(render_report_html(report, shown), content_policy())


def page_day(days: list[str]) -> str | None:
    """The day of a page that is published: the last Sunday before the newest day if there is a row by then, else that.

    Days published one after the other would tell what is new in each, so that a week is published, once it is over.
    """
    if not days:
        return None
    newest = date.fromisoformat(max(days))
    sunday = (newest - timedelta(days=newest.isoweekday())).isoformat()
    return sunday if min(days) <= sunday else newest.isoformat()
