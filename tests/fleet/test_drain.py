"""What a drain writes of what the assembly gives it; with real files in `tests/real/test_collector_durability.py`."""

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.test_fleet_rows import SNAPSHOT
from tests.fleet.wire import DAY, MINUTE, NOW

from layercensus.fleet.drain import Drain
from layercensus.model import Row


@pytest.mark.parametrize("order", [(0, 30), (30, 0)])
def test_the_newest_of_a_day_is_written_in_whichever_order_they_were_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[int, int]
) -> None:
    """Of a day that is over snapshots may be found backwards: those of a sender that catches up."""
    written: list[Row] = []

    def write(rows: Iterable[Row]) -> int:
        written.extend(rows)
        return len(written)

    drain = Drain(tmp_path, write, lambda: NOW)
    (tmp_path / "own").mkdir()
    drain.run_once()
    given = [[SNAPSHOT._replace(timestamp=NOW - DAY + minutes * MINUTE)] for minutes in order]
    monkeypatch.setattr(drain.assembly, "ready", lambda _: given.pop(0) if given else [])
    drain.run_once()
    drain.run_once()
    assert written == []
    drain.finish(tmp_path / "own")
    drain.close()
    assert [row.observed_at for row in written] == ["2026-11-24T12:30:00.000+00:00"]
