"""`layercensus report`: the share, its interval and its bounds, from a lake."""

from argparse import Namespace
from contextlib import AbstractContextManager
from pathlib import Path

from layercensus.commands import EXIT_DONE, Output, Surroundings
from layercensus.commands.folder import has_waiting_reports
from layercensus.errors import Fault, NothingToDoError, UsageError
from layercensus.lake.engine import read_engine
from layercensus.lake.folder import open_lake
from layercensus.report.answers import Answering, build_report
from layercensus.report.format_csv import format_report_csv
from layercensus.report.format_html import render_report_html
from layercensus.report.format_json import format_report_json
from layercensus.report.format_text import format_report_text
from layercensus.report.shape import Report


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Ask the lake the report's questions and yield the report in the format asked for."""
    del surroundings
    opening = _engine(options)
    lake = open_lake(Path(options.lake))
    with opening as engine:
        is_simulated = lake.made_by is not None
        try:
            report = build_report(engine, as_of=options.as_of, signal=options.signal, is_simulated=is_simulated)
        except NothingToDoError as error:
            if has_waiting_reports(lake.path):
                next_step = "reports wait in the inbox: the first rows come within some minutes"
                raise NothingToDoError(error.what, error.where, next_step=next_step) from None
            raise
    yield _render(report, options.format, options.by)
    return EXIT_DONE


def _engine(options: Namespace) -> AbstractContextManager[Answering]:
    """The lake, held by the engine asked for. Raises `UsageError` where that is not installed."""
    lake = Path(options.lake)
    if options.engine != "spark":
        if options.master:
            raise UsageError("is for Spark", "--master", Fault.USAGE, "add --engine spark")
        return read_engine(lake)
    try:
        from layercensus.lake.spark_engine import read_spark_engine
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("layercensus"):
            raise
        what = f"it needs the library {error.name}, which is in an extra of its own"
        raise UsageError(what, "--engine spark", Fault.USAGE, "pip install 'layercensus[spark]'") from error
    return read_spark_engine(lake, options.master or "local[*]")


def _render(report: Report, form: str, by: str | None) -> str:
    if form == "json":
        return format_report_json(report)
    if form == "html":
        return render_report_html(report)
    return format_report_csv(report, by) if form == "csv" else format_report_text(report, by)
