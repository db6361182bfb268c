"""⇄ Days that are not kept any longer. What follows from the rows is brought up to date by `population.refresh`."""

from datetime import date, timedelta
from pathlib import Path

from layercensus.errors import Fault, LakeError
from layercensus.lake.folder import lake_for_upkeep

_AS_OWNER = "run it as a user who may write to the lake"


def drop_old_days(lake: Path, keep_days: int) -> list[date]:
    """Remove the rows of all days but the newest and the `keep_days - 1` before it; which days that were.

    The oldest goes first, so that after a crash the rest is without a gap. Raises `LakeError`, and `NothingToDoError`
    where no lake is there.
    """
    with lake_for_upkeep(lake) as opened:
        days = opened.days()
        old = [day for day in days if day <= days[-1] - timedelta(days=keep_days)]
        for day in old:
            file = opened.day_file(day)
            try:
                file.unlink()
                file.parent.rmdir()
            except OSError as error:
                what = error.strerror or type(error).__name__
                raise LakeError(f"cannot be removed: {what}", str(file), Fault.HOST, _AS_OWNER) from error
    return old
