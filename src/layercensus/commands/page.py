"""The collector's report page: from a lake and the collector's own health to the page that its workers serve."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from layercensus.errors import Fault, FleetError, NothingToDoError
from layercensus.fleet.health import Health
from layercensus.fleet.page_maker import EVERY_SECONDS, MadePage

_NEEDS = "pip install 'layercensus[report]'"


def make_page(lake: Path, min_clusters: int | None, health: Health) -> MadePage | None:
    """The page, or None where the lake has no row yet. `min_clusters`: of what is published; None publishes all.

    Raises `LayerCensusError`: a lake that cannot be read, or libraries that are not there.
    """
    try:
        from layercensus.lake.engine import read_engine
        from layercensus.report.answers import Asked, build_report
        from layercensus.report.format_html import content_policy, render_report_html
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("layercensus"):
            raise
        what = f"the report page needs the library {error.name}"
        raise FleetError(what, fault=Fault.USAGE, next_step=f"{_NEEDS}, or --page none") from error
    from layercensus.report.page.health import Health as Shown

    try:
        # The lake is held still for the questions alone, not while the page is drawn.
        with read_engine(lake) as engine:
            days = [str(row["on_day"]) for row in engine.ask("days")]
            asked = Asked(is_simulated=engine.lake.made_by is not None, min_clusters=min_clusters)
            as_of = page_day(days) if min_clusters else None
            report = build_report(engine, as_of=as_of, signal=None, asked=asked)
    except NothingToDoError:
        return None
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
