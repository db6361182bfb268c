"""`layercensus report`: the share, its interval and its bounds, from a lake."""

from argparse import Namespace
from pathlib import Path

from layercensus.commands import EXIT_DONE, Output, Surroundings
from layercensus.commands.folder import has_waiting_reports
from layercensus.errors import NothingToDoError
from layercensus.lake.engine import read_engine
from layercensus.report.answers import build_report
from layercensus.report.format_csv import format_report_csv
from layercensus.report.format_html import render_report_html
from layercensus.report.format_json import format_report_json
from layercensus.report.format_text import format_report_text
from layercensus.report.shape import Report


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Ask the lake the report's questions and yield the report in the format asked for."""
    del surroundings
    with read_engine(Path(options.lake)) as engine:
        is_simulated = engine.lake.made_by is not None
        try:
            report = build_report(engine, as_of=options.as_of, signal=options.signal, is_simulated=is_simulated)
        except NothingToDoError as error:
            if has_waiting_reports(engine.lake.path):
                next_step = "reports wait in the inbox: the first rows come within some minutes"
                raise NothingToDoError(error.what, error.where, next_step=next_step) from None
            raise
    yield _render(report, options.format, options.by)
    return EXIT_DONE


def _render(report: Report, form: str, by: str | None) -> str:
    if form == "json":
        return format_report_json(report)
    if form == "html":
        return render_report_html(report)
    return format_report_csv(report, by) if form == "csv" else format_report_text(report, by)
