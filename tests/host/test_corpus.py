"""Every labelled status document that people published, exact. Reads ../shared/corpus where it is; never a copy of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from layercensus.classify.census import classify
from layercensus.host.documents.document import parse_document
from layercensus.model import Deployment, Kind

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
LABELS: dict[str, Any] = (
    json.loads((CORPUS / "labels.json").read_text(encoding="utf-8")) if (CORPUS / "labels.json").exists() else {}
)
DOCUMENTS = [name for name in LABELS if name.startswith(("status-json/", "status-text/"))]

pytestmark = pytest.mark.skipif(not LABELS, reason="the corpus of published documents is not beside the checkout")


def lists_of(deployment: Deployment, *, active_only: bool) -> dict[str, list[str]]:
    def requests(kind: Kind, *, active: bool | None = None) -> list[str]:
        changes = [change for change in deployment.changes if change.kind is kind]
        return sorted(change.requested for change in changes if active is None or change.active is active)

    shown = True if active_only else None
    return {
        "requested": requests(Kind.INSTALL),
        "requested_active": requests(Kind.INSTALL, active=True),
        "local": requests(Kind.INSTALL_LOCAL),
        "local_fileoverride": requests(Kind.INSTALL_LOCAL_FORCE),
        "removals": requests(Kind.REMOVE, active=shown),
        "local_replacements": requests(Kind.REPLACE_LOCAL, active=shown),
        "remote_replacements": sorted(
            f"repo={change.repository} {change.name}"
            for change in deployment.changes
            if change.kind is Kind.REPLACE_REMOTE
        ),
    }


def assert_lists(expected: dict[str, Any], deployment: Deployment, *, text: bool) -> None:
    actual = lists_of(deployment, active_only=text)
    wanted = {key: sorted(expected[key]) for key in actual if key in expected}
    assert {key: actual[key] for key in wanted} == wanted


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_reads_as_labelled(name: str) -> None:
    expected = LABELS[name]["expected"]
    text = (CORPUS / name).read_text(encoding="utf-8")
    machines = list(parse_document(text, name))
    assert len(machines) == 1
    machine = machines[0]
    census = classify(machine)
    assert census.booted.layering.value in expected["layering_class"]
    assert (machine.booted is not None) == expected["booted_found"]
    is_text = name.startswith("status-text/")
    if machine.booted is not None:
        assert_lists(expected, machine.booted, text=is_text)
        assert bool(machine.booted.initramfs) == bool(expected.get("initramfs"))
        assert bool(machine.booted.live_applied) == bool(expected.get("live_commit"))
        assert machine.booted.unlocked in {expected["unlocked"], None}
        if expected["parse"] == "ok" and expected["visibility"] != "none":
            assert machine.booted.unlocked == expected["unlocked"]
    if "pending" in expected:
        assert machine.staged is not None
        assert_lists(expected["pending"], machine.staged, text=is_text)
    if "kernel_type" in expected:
        assert census.booted.kernel_type == expected["kernel_type"]
    if expected["parse"] in {"malformed", "truncated", "error-output", "other-format"} or expected.get("ambiguous"):
        assert census.problems
