"""`layercensus plan --lake`: how much of a fleet each kind of advice would free, by the report's own answers."""

from argparse import Namespace
from pathlib import Path

from layercensus.commands import EXIT_DONE, Output, Surroundings
from layercensus.commands.asking import ToldEngine
from layercensus.errors import Fault, UsageError
from layercensus.lake.engine import read_engine
from layercensus.lake.folder import open_lake
from layercensus.migrate.fleet import FleetAdvice, Freed, format_fleet_json, format_fleet_text
from layercensus.report.answers import Asked, build_report
from layercensus.report.figures import Part
from layercensus.report.sentence import fleet_sentence
from layercensus.report.shape import Report


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Ask the lake what the report asks it, and say it as advice."""
    if options.format not in {"text", "json"}:
        raise UsageError("a fleet has none", f"--format {options.format}", Fault.USAGE, "use text or json")
    opening = read_engine(Path(options.lake))
    lake = open_lake(Path(options.lake))
    with opening as engine:
        asked = Asked(is_simulated=lake.made_by is not None)
        told = ToldEngine(engine, lambda _question, asked_before: surroundings.tick(asked_before, None))
        report = build_report(told, as_of=None, signal=None, asked=asked)
    advice = _advice(report)
    yield format_fleet_json(advice) if options.format == "json" else format_fleet_text(advice)
    return EXIT_DONE


def _advice(report: Report) -> FleetAdvice:
    return FleetAdvice(
        sentence=fleet_sentence(report),
        as_of=report.as_of,
        signal=report.signal,
        population=report.population,
        stuck=_freed(report.what_if_blocked.refuse_any_local_change),
        by_need={group.key: _freed(group.figures) for group in report.by.need},
        unknown=_unknown(report),
    )


def _unknown(report: Report) -> int:
    """Machines of which a need is not known: what lies between the bounds."""
    widths = [high - low for low, high in (group.figures.bounds or (0.0, 0.0) for group in report.by.need)]
    return round(max(widths, default=0.0) * report.headline.machines.total)


def _freed(part: Part) -> Freed:
    return Freed(part.machines, part.clusters, part.share, part.ci95, part.bounds)
