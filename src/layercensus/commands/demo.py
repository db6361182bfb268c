"""`layercensus demo`: captures -> census -> lake -> report, on the machines that come with the package."""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from layercensus.commands import EXIT_DONE, Output, Surroundings, import_, inspect
from layercensus.commands.folder import make_folder, write_file
from layercensus.data import list_tree, read_text
from layercensus.lake.engine import read_engine
from layercensus.report.answers import build_report
from layercensus.report.format_html import render_report_html
from layercensus.report.sentence import fleet_sentence


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Walk the main job; the last two lines are the fleet's sentence and the path of the page."""
    folder = Path(options.folder)
    captures, lake, page = folder / "captures", folder / "lake", folder / "report.html"
    files = {f"captures/{name}": read_text(f"demo/{name}") for name in list_tree("demo")}
    make_folder(folder, files, grows=(lake.name, page.name))
    yield f"$ layercensus inspect {captures}\n"
    yield from inspect.run(_options(paths=[str(captures)], format="table", exit_code=False), surroundings)
    yield f"\n$ layercensus import {captures} --lake {lake}\n"
    # Which of them are unknown, and why, the table above has said.
    quiet = replace(surroundings, warn=lambda _line: None)
    yield from import_.import_captures(_options(paths=[str(captures)], lake=str(lake), cluster_id=None), quiet)
    yield f"\n$ layercensus report --lake {lake} --format html -o {page}\n"
    with read_engine(lake) as engine:
        report = build_report(engine, as_of=None, signal=None)
    write_file(page, render_report_html(report))
    yield from _closing(fleet_sentence(report), page)
    return EXIT_DONE


def _closing(sentence: str, page: Path) -> Iterator[str]:
    yield f"{sentence}\n{page}\n"


def _options(**values: object) -> Namespace:
    return Namespace(release=None, root="/", **values)
