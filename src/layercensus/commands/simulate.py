"""`layercensus simulate`: a fleet that never was, as a lake, and beside it what is true of it."""

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layercensus.commands import EXIT_DONE, Output, Surroundings
from layercensus.commands.folder import refuse_existing, write_whole_file
from layercensus.lake.folder import lake_for_writing
from layercensus.lake.population import refresh
from layercensus.lake.storage import connect, write_day
from layercensus.report.wording import counted, percent
from layercensus.simulate.calendar import days_of, newest_releases
from layercensus.simulate.clusters import draw_clusters
from layercensus.simulate.fleet_days import TODAY, count_truth, hold_fleet, make_day
from layercensus.simulate.process import load_process, share_of
from layercensus.simulate.truth import Truth, format_truth

MADE_BY = "simulate"


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Draw the clusters, write each day, and last what is true: without it a lake is not complete."""
    lake = Path(options.lake)
    truth_file = truth_beside(lake)
    refuse_existing(truth_file)
    rows = 0
    process = load_process()
    days = days_of(process, options.days)
    clusters = draw_clusters(process, seed=options.seed, clusters=options.clusters, days=options.days)
    with lake_for_writing(lake, MADE_BY) as opened, _told_if_left(lake, surroundings), connect() as connection:
        newest = newest_releases(process, options.days)
        hold_fleet(connection, clusters, newest, lambda done: surroundings.tick(done, options.clusters))
        for number, day in enumerate(days, 1):
            make_day(connection, number, day)
            rows += write_day(connection, opened, day, TODAY)
            surroundings.tick(number, options.days)
        machines, quality = count_truth(connection, days)
        truth = Truth(
            clusters=options.clusters,
            days=options.days,
            seed=options.seed,
            as_of=days[-1].isoformat(),
            signal="layercensus",
            share=share_of(process),
            realised_share=machines.packages / machines.classifiable,
            machines=machines,
            quality=quality,
        )
        write_whole_file(truth_file, format_truth(truth))
    refresh(lake, surroundings.tick)
    yield from _summary(truth, rows, lake, truth_file)
    return EXIT_DONE


def truth_beside(lake: Path) -> Path:
    """Where the truth of a lake is: `DIR.truth.json` for the lake `DIR`."""
    named = lake if lake.name not in {"", ".."} else lake.resolve()
    return named.with_name(f"{named.name}.truth.json")


@contextmanager
def _told_if_left(lake: Path, surroundings: Surroundings) -> Iterator[None]:
    """Say that the lake is not complete where the block does not come to its end, whatever ends it."""
    complete = False
    try:
        yield
        complete = True
    finally:
        if not complete:
            surroundings.warn(f"layercensus: simulate: {lake} is not complete and has no truth; remove it")


def _summary(truth: Truth, rows: int, lake: Path, truth_file: Path) -> Iterator[str]:
    machines, reporting = counted(truth.machines.classifiable, "machine"), counted(truth.quality.reporting, "cluster")
    size = f"{counted(truth.clusters, 'cluster')}, {counted(truth.days, 'day')} to {truth.as_of}"
    yield f"{size}, {counted(rows, 'row')} into {lake}\n"
    yield f"what is true of it: {truth_file}\n"
    yield f"share of the process {percent(truth.share)}, "
    yield f"of the {machines} in the {reporting} that report {percent(truth.realised_share)}\n"
    yield f"what a report finds: layercensus report --lake {lake}\n"
