"""`layercensus tidy`: what follows from the rows of a lake is brought up to date, and old days go, if asked for."""

from argparse import Namespace
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from layercensus.commands import EXIT_DONE, Output, Surroundings
from layercensus.lake.contract import row_contract
from layercensus.lake.folder import open_lake
from layercensus.lake.migration import migrate
from layercensus.lake.population import refresh
from layercensus.lake.retention import drop_old_days
from layercensus.report.wording import counted


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Drop old days first, so that nothing is made of them; a lake of an older version is brought to this one."""
    lake = Path(options.lake)
    migrated = migrate(lake, surroundings.tick)
    dropped = drop_old_days(lake, options.keep_days) if options.keep_days else []
    made = refresh(lake, surroundings.tick, anew=options.anew)
    if migrated:
        yield f"brought {counted(migrated, 'day')} to version {row_contract().version} of the schema\n"
    yield from _summary(open_lake(lake).days(), dropped, made)
    return EXIT_DONE


def _summary(days: list[date], dropped: list[date], made: int) -> Iterator[str]:
    if dropped:
        yield f"removed {counted(len(dropped), 'day')}, {dropped[0]} to {dropped[-1]}\n"
    if days:
        yield f"{counted(len(days), 'day')} with rows, {days[0]} to {days[-1]}\n"
    yield f"made the populations and sums of {counted(made, 'day')}\n"
