"""What a drain writes of what the assembly gives it; with real files in `tests/real/test_collector_durability.py`."""

import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.test_fleet_rows import SNAPSHOT
from tests.fleet.wire import DAY, HOUR, MINUTE, NOW, A, layering, needs, version

from layercensus.fleet.drain import Drain
from layercensus.fleet.inbox import Entry, InboxWriter
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


def test_what_is_sent_again_the_next_day_is_of_the_day_on_which_it_first_came(tmp_path: Path) -> None:
    """Also for a drain that finds all files at once, whatever their writers are called: a world of seed 1017."""
    written: list[Row] = []
    for folder, name, received in (("own", "z", NOW - DAY), ("own", "a", NOW - HOUR), ("another", "a", NOW - HOUR)):
        (tmp_path / folder).mkdir(exist_ok=True)
        writer = InboxWriter(tmp_path / folder, name, partial(int, received))
        samples = [*layering(NOW - DAY, 5), *needs(NOW - DAY), *version("4.14.30", NOW - DAY)]
        kinds, timestamps, values = zip(*samples, strict=True)
        writer.commit([Entry(bytes.fromhex(A.replace("-", "")), received, kinds, timestamps, values)])
        writer.seal()

    def write(rows: Iterable[Row]) -> int:
        written.extend(rows)
        return len(written)

    drain = Drain(tmp_path, write, lambda: NOW, write_ms=0)
    drain.run_once()
    drain.close()
    assert [row.day for row in written] == ["2026-11-24"]
