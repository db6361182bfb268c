"""What is said to leave a cluster from one machine, and the families that only the agent has."""

import math
from dataclasses import replace

import pytest

from layercensus.agent.preview import preview_lines
from layercensus.classify.census import classify
from layercensus.metrics.families import exposition_lines
from layercensus.metrics.read_families import package_family, read_lines
from layercensus.model import Census, Change, Deployment, Form, Kind, Layering, Machine, OperatingSystem, Readability

INSTALL = Change(Kind.INSTALL, Form.NAME, "strange-tool", "strange-tool", "requested-packages", active=True)
REMOVAL = Change(Kind.REMOVE, Form.NAME, "toolbox-thing", "toolbox-thing", "requested-base-removals", active=True)


def census(*changes: Change, readability: Readability = Readability.READ) -> Census:
    os = OperatingSystem(id="rhcos", version="414.92.202405282322-0", openshift_version="4.14", openshift=True)
    return classify(Machine("node-7", None, readability, booted=Deployment(booted=True, changes=changes), os=os))


@pytest.mark.parametrize(
    ("changes", "needs", "leaves"),
    [
        ((), set(), ['count{layering="clean"}']),
        ((INSTALL,), {"other"}, ['count{layering="packages"}', 'by_need:count{need="other"}']),
        ((REMOVAL,), {"override"}, ['count{layering="overrides"}', 'by_need:count{need="override"}']),
        (
            (INSTALL, REMOVAL),
            {"other", "override"},
            ['count{layering="packages"}', 'by_need:count{need="other"}', 'by_need:count{need="override"}'],
        ),
    ],
)
def test_a_machine_adds_one_to_its_class_and_to_each_of_its_needs(
    changes: tuple[Change, ...], needs: set[str], leaves: list[str]
) -> None:
    text = "".join(preview_lines(census(*changes), needs))
    told = [line.strip() for line in text.splitlines() if "is one higher" in line]
    assert len(told) == len(leaves)
    for line, end in zip(told, leaves, strict=True):
        assert line.startswith("cluster:usage:local_layering_nodes")
        assert line.endswith(f"{end} is one higher")


def test_names_are_only_in_what_stays() -> None:
    leaves, stays = "".join(preview_lines(census(INSTALL), {"other"})).split("What stays on this machine")
    assert "strange-tool" not in leaves
    assert "strange-tool" in stays
    assert "node-7" not in leaves + stays


def test_each_alert_that_may_leave_is_named_the_platforms_own_too() -> None:
    leaves, _ = "".join(preview_lines(census(), set())).split("What stays in the cluster")
    names = [line.split()[0] for line in leaves.split("An alert that fires")[1].splitlines()[1:]]
    assert names == [
        "LayerCensusAgentCannotRead", "LayerCensusStale", "LayerCensusSignalDark", "LayerCensusPackagesBeforeUpgrade",
        "LayerCensusOverridesBeforeUpgrade", "TargetDown",
    ]  # fmt: skip


def test_needs_of_a_machine_that_is_neither_packages_nor_overrides_do_not_leave() -> None:
    unknown = census(readability=Readability.UNKNOWN)
    assert unknown.booted.layering is Layering.UNKNOWN
    assert "by_need" not in "".join(preview_lines(unknown, {"other"}))


def test_a_machine_that_is_not_applicable_adds_nothing() -> None:
    text = "".join(preview_lines(census(readability=Readability.NOT_APPLICABLE), set()))
    assert "is one higher" not in text
    assert "nothing: this machine is not_applicable" in text


def test_times_are_written_in_full_and_every_reason_stands() -> None:
    lines = "".join(
        read_lines(
            success=True, timestamp_seconds=1795342596.25, duration_seconds=0.0125, errors={"timeout": 3, "new": 2}
        )
    ).splitlines()
    values = dict(line.split(" ") for line in lines if not line.startswith("#"))
    assert values == {
        "layercensus_read_success": "1",
        "layercensus_read_timestamp_seconds": "1795342596.25",
        "layercensus_read_duration_seconds": "0.0125",
        'layercensus_read_errors_total{reason="permission"}': "0",
        'layercensus_read_errors_total{reason="not_found"}': "0",
        'layercensus_read_errors_total{reason="malformed"}': "0",
        'layercensus_read_errors_total{reason="timeout"}': "3",
        'layercensus_read_errors_total{reason="inconsistent"}': "0",
        'layercensus_read_errors_total{reason="other"}': "2",
    }


def test_what_never_was_is_no_number() -> None:
    text = "".join(read_lines(success=False, timestamp_seconds=None, duration_seconds=math.nan, errors={}))
    assert "layercensus_read_timestamp_seconds NaN\n" in text
    assert "layercensus_read_duration_seconds NaN\n" in text


def test_active_packages_are_listed_once_each() -> None:
    inactive = replace(INSTALL, requested="asleep", name="asleep", active=False)
    again = replace(INSTALL, requested="strange-tool-1-1.x86_64", form=Form.NEVRA)
    text = "".join(exposition_lines([package_family(census(INSTALL, again, inactive, REMOVAL))]))
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        'layercensus_package_info{package="strange-tool",kind="install",verdict="non_extension",category="",vendor=""} 1',
        'layercensus_package_info{package="toolbox-thing",kind="remove",verdict="non_extension",category="",vendor=""} 1',
    ]
