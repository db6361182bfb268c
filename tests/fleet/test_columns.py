"""What the columns of a tuple of kinds are, and how many tuples are remembered."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import NODES, NOW, kind_of, layering, nodes, platform, version

from layercensus.fleet.columns import ColumnTable
from layercensus.fleet.contract import Fact
from layercensus.fleet.kinds import Kind

NODE = kind_of(NODES, {"label_node_openshift_io_os_id": "rhcos", "role": "master"})


def held(table: ColumnTable) -> int:
    return sum(len(columns.kinds) for columns in table._known.values())


def test_columns_are_told_or_counted_by_replica_and_fact() -> None:
    samples = [
        *layering(NOW)[:2], *version("4.14.30", NOW), *nodes(NOW, ("rhcos", "master", 3)), *layering(NOW, replica="b")[:1],
        *platform("AWS", NOW),
    ]  # fmt: skip
    kinds = tuple(kind for kind, _, _ in samples)
    found = ColumnTable().find(kinds)
    assert found.told == (2, 5)
    assert [(part.fact, part.places(tuple(range(6)))) for part in found.counted] == [
        (Fact.LAYERING, (0, 1)),
        (Fact.NODES, (3,)),
        (Fact.LAYERING, (4,)),
    ]
    assert [part.labels for part in found.counted] == [
        ("clean", "extensions"),
        (f"rhcos {NODE.identity.hex()}",),
        ("clean",),
    ]


def test_columns_are_found_once_for_a_tuple_of_kinds() -> None:
    table = ColumnTable()
    kinds = tuple(kind for kind, _, _ in layering(NOW))
    assert table.find(kinds) is table.find(kinds)


def test_of_tuples_of_kinds_four_thousand_are_remembered() -> None:
    table = ColumnTable()
    for at in range(9_000):
        many = (NODE,) * (1 + at % 3)
        assert table.find(many).kinds is many
        assert 0 < len(table._known) <= 4096


def test_long_tuples_are_remembered_until_they_hold_too_many_kinds() -> None:
    table = ColumnTable()
    tuples = [(NODE,) * 9_000 for _ in range(20)]
    for at, kinds in enumerate(tuples):
        found = table.find(kinds)
        assert found.kinds is kinds
        assert found.counted[0].places(kinds) == kinds
        assert table.find(kinds) is found
        # 5 of these are 45,000.
        assert held(table) == 9_000 * (at % 5 + 1)


def test_a_tuple_longer_than_all_that_is_held_is_looked_at_each_time() -> None:
    table = ColumnTable()
    usual = tuple(kind for kind, _, _ in layering(NOW))
    known = table.find(usual)
    for length, expected in ((50_001, 5), (50_000, 50_000)):
        kinds: tuple[Kind, ...] = (NODE,) * length
        found = table.find(kinds)
        assert found.counted[0].places(kinds) == kinds
        assert len(found.counted[0].labels) == length
        assert held(table) == expected
        assert (table.find(usual) is known) is (expected == 5)
