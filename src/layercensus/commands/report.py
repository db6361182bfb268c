"""`layercensus report`: the share, its interval and its bounds, from a lake."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from layercensus.commands import EXIT_DONE, Output, Surroundings
from layercensus.commands.asking import ToldEngine
from layercensus.commands.folder import has_waiting_reports
from layercensus.errors import Fault, NothingToDoError, UsageError
from layercensus.lake.cluster_lists import (
    ClusterLists,
    Margins,
    read_accounts,
    read_known_clusters,
    read_margins,
)
from layercensus.lake.engine import read_engine
from layercensus.lake.folder import open_lake
from layercensus.report.answer_values import Answering
from layercensus.report.answers import Asked, build_report
from layercensus.report.format_csv import format_report_csv
from layercensus.report.format_html import render_report_html
from layercensus.report.format_json import format_report_json
from layercensus.report.format_text import format_report_text
from layercensus.report.shape import Report

_MIN_CLUSTERS = 10


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Ask the lake the report's questions and yield the report in the format asked for."""
    _check_together(options)
    lists, margins = _lists(options)
    opening = _engine(options, lists, surroundings)
    lake = open_lake(Path(options.lake))
    newest = max(lake.days(), default=None)
    if options.as_of and newest and options.as_of > newest.isoformat():
        surroundings.warn(f"layercensus: report: {options.as_of} is after the newest row, which is of {newest}")
    asked = _asked(options, margins, is_simulated=lake.made_by is not None)
    with opening as engine:
        try:
            report = build_report(engine, as_of=options.as_of, signal=options.signal, asked=asked)
        except NothingToDoError as error:
            if has_waiting_reports(lake.path):
                next_step = "reports wait in the inbox: the first rows come within some minutes"
                raise NothingToDoError(error.what, error.where, next_step=next_step) from None
            raise
    columns = 80 if options.output else surroundings.columns
    yield _render(report, options.format, options.by, columns)
    return EXIT_DONE


def _check_together(options: Namespace) -> None:
    """Raise `UsageError` for options that say nothing without others."""
    if options.min_clusters is not None and not options.publish:
        raise UsageError("is for what is published", "--min-clusters", Fault.USAGE, "add --publish")
    if options.by == "account_class" and not options.accounts:
        raise UsageError(
            "nothing says the class of an account", "--by account_class", Fault.USAGE, "add --accounts FILE"
        )
    if options.by == "age" and options.publish:
        raise UsageError("is not published: it would tell who is new", "--by age", Fault.USAGE, "leave out --publish")


def _lists(options: Namespace) -> tuple[ClusterLists, Margins | None]:
    """What files say of clusters. Raises `LakeError` where one cannot be taken."""
    accounts = read_accounts(Path(options.accounts)) if options.accounts else ()
    known = read_known_clusters(Path(options.known_clusters)) if options.known_clusters else ()
    margins = read_margins(Path(options.weights)) if options.weights else None
    if margins and "class" in margins.columns and not options.accounts:
        raise UsageError(
            "has a column class, and nothing says the class", options.weights, Fault.USAGE, "add --accounts FILE"
        )
    return ClusterLists(accounts, known), margins


def _asked(options: Namespace, margins: Margins | None, *, is_simulated: bool) -> Asked:
    return Asked(
        is_simulated=is_simulated,
        has_accounts=options.accounts is not None,
        has_known_clusters=options.known_clusters is not None,
        margin_columns=margins.columns if margins else (),
        margins=margins.clusters if margins else {},
        min_clusters=(options.min_clusters or _MIN_CLUSTERS) if options.publish else None,
    )


def _engine(options: Namespace, lists: ClusterLists, surroundings: Surroundings) -> AbstractContextManager[Answering]:
    """The lake, held by the engine asked for. Raises `UsageError` where that is not installed."""
    lake = Path(options.lake)
    if options.engine == "spark":
        return _spark_engine(lake, options.master or "local[*]", lists, surroundings)
    if options.master:
        raise UsageError("is for Spark", "--master", Fault.USAGE, "add --engine spark")
    return _told(read_engine(lake, lists), lambda _question, asked: surroundings.tick(asked, None))


def _spark_engine(
    lake: Path, master: str, lists: ClusterLists, surroundings: Surroundings
) -> AbstractContextManager[Answering]:
    try:
        from layercensus.lake.spark_engine import read_spark_engine
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("layercensus"):
            raise
        what = f"it needs the library {error.name}, which is in an extra of its own"
        raise UsageError(what, "--engine spark", Fault.USAGE, "in its checkout: pip install '.[spark]'") from error

    surroundings.say(f"starting Spark ({master})")
    return _told(
        read_spark_engine(lake, master, lists), lambda question, _asked: surroundings.say(f"asking Spark: {question}")
    )


@contextmanager
def _told(opening: AbstractContextManager[Answering], tell: Callable[[str, int], None]) -> Iterator[Answering]:
    with opening as engine:
        yield ToldEngine(engine, tell)


def _render(report: Report, form: str, by: str | None, columns: int) -> str:
    if form == "json":
        return format_report_json(report)
    if form == "html":
        return render_report_html(report)
    return format_report_csv(report, by) if form == "csv" else format_report_text(report, by, columns)
