"""`bootc status` in all its forms: every published document exact, and what the document can never say."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercensus.classify.census import classify
from layercensus.host.documents.bootc import is_bootc_status, parse_bootc
from layercensus.host.documents.yaml_subset import parse_yaml_subset
from layercensus.host.reading import machine_from
from layercensus.model import Census, Layering, Source, Unlocked

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
LABELS: dict[str, Any] = (
    json.loads((CORPUS / "labels.json").read_text(encoding="utf-8")) if (CORPUS / "labels.json").exists() else {}
)
DOCUMENTS = [name for name in LABELS if name.startswith("bootc/")]

YAML = """\
apiVersion: org.containers.bootc/v1
kind: BootcHost
metadata:
  name: host
spec:
  image: null
status:
  staged: null
  booted:
    image: null
    cachedUpdate: null
    incompatible: {incompatible}
    pinned: false
    ostree:
      checksum: 439f6bd2e2361bee292c1f31840d798c5ac5ba76483b8021dc9f7b0164ac0f48
      deploySerial: 0
      stateroot: default
  rollback: null
  rollbackQueued: false
  type: null
{tail}"""


def census_of(text: str) -> Census:
    return classify(machine_from(parse_bootc(text), name="host", source=Source.BOOTC))


def yaml_with(incompatible: str = "false", tail: str = "") -> str:
    return YAML.format(incompatible=incompatible, tail=tail)


@pytest.mark.skipif(not LABELS, reason="the corpus of published documents is not beside the checkout")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_reads_as_labelled(name: str) -> None:
    expected = LABELS[name]["expected"]
    text = (CORPUS / name).read_text(encoding="utf-8")
    reading = parse_bootc(text)
    census = census_of(text)
    booted = next((deployment for deployment in reading.deployments if deployment.booted), None)
    assert census.booted.layering == expected["layering_class"][0]
    assert (booted is not None) == expected["booted_found"]
    assert len(reading.deployments) == expected["deployments"]
    assert (booted.image if booted else None) == expected["image"]
    assert (booted.bootc_incompatible if booted else None) == expected["incompatible"]["booted"]
    assert (booted.bootc_incompatible if booted else None) == expected["client_modified"]
    assert (booted.unlocked if booted else None) == expected["unlocked"]
    assert bool(booted and booted.pinned) == expected.get("pinned", False)
    staged = next((deployment for deployment in reading.deployments if deployment.staged), None)
    assert (staged.bootc_incompatible if staged else None) == expected["incompatible"]["staged"]
    assert bool(census.problems) == (census.booted.layering is Layering.UNKNOWN or expected["parse"] != "ok")


@pytest.mark.skipif(not LABELS, reason="the corpus of published documents is not beside the checkout")
def test_it_is_told_from_every_other_published_document() -> None:
    texts = {name: (CORPUS / name).read_text(encoding="utf-8") for name in LABELS}
    assert [name for name, text in texts.items() if is_bootc_status(text)] == DOCUMENTS


def test_a_client_side_change_is_unknown_and_says_that_what_is_not_in_the_document() -> None:
    census = census_of(yaml_with("true"))
    assert census.booted.layering is Layering.UNKNOWN
    assert census.machine.booted is not None
    assert census.machine.booted.bootc_incompatible is True
    assert "changed client-side, what is not in the document" in census.problems[0]


@pytest.mark.parametrize("value", ["", "null", "fals", "True # or not", "[false]", "'false", "0"])
def test_only_the_whole_word_false_is_clean(value: str) -> None:
    expected = Layering.CLEAN if value == "'false" else Layering.UNKNOWN
    assert census_of(yaml_with(value)).booted.layering is expected


def test_the_overlay_on_usr_is_the_unlocked_state() -> None:
    cases = {
        "": None,
        "  usrOverlay: null\n": Unlocked.NONE,
        "  usrOverlay:\n    accessMode: readWrite\n    persistence: transient\n": Unlocked.DEVELOPMENT,
        "  usrOverlay:\n    accessMode: readWrite\n    persistence: persistent\n": Unlocked.HOTFIX,
        "  usrOverlay:\n    accessMode: readOnly\n    persistence: transient\n": Unlocked.TRANSIENT,
    }
    for tail, unlocked in cases.items():
        census = census_of(yaml_with(tail=tail))
        assert census.machine.booted is not None
        assert census.machine.booted.unlocked is unlocked
        assert census.booted.layering is Layering.CLEAN


def test_a_staged_deployment_that_was_changed_is_unknown_and_the_booted_one_stays_clean() -> None:
    text = yaml_with().replace(
        "  staged: null\n",
        "  staged:\n    image: null\n    incompatible: true\n    ostree:\n      checksum: aa\n",
    )
    census = census_of(text)
    assert census.booted.layering is Layering.CLEAN
    assert census.staged is not None
    assert census.staged.layering is Layering.UNKNOWN


def test_a_queued_rollback_is_the_next_deployment() -> None:
    rollback = "  rollback:\n    incompatible: false\n    ostree:\n      checksum: bb\n"
    text = yaml_with().replace("  rollback: null\n", rollback)
    assert census_of(text).machine.staged is None
    queued = census_of(text.replace("rollbackQueued: false", "rollbackQueued: true")).machine.staged
    assert queued is not None
    assert queued.checksum == "bb"


def test_json_in_terminal_noise_and_cut_json() -> None:
    text = json.dumps(
        {
            "apiVersion": "org.containers.bootc/v1",
            "status": {"booted": {"incompatible": False, "image": {"version": 20231230.1}}, "rollback": None},
        }
    )
    census = census_of(f"$ bootc status --json\n{text}\n$ ")
    assert census.booted.layering is Layering.CLEAN
    assert census.machine.booted is not None
    assert census.machine.booted.version == "20231230.1"
    cut = census_of(text[:-20])
    assert cut.booted.layering is Layering.UNKNOWN
    assert "no valid JSON" in cut.problems[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("System is not deployed via bootc.\n", "not deployed through bootc"),
        ("ERROR: Status: Computing status: Missing base image ref ostree/container/blob/x\n", "failed: Status"),
        ("", "no output of bootc status"),
        ("● Booted composefs\n   Commit: ab\n", "no image"),
    ],
)
def test_what_is_no_status_says_why(text: str, reason: str) -> None:
    census = census_of(text)
    assert census.booted.layering is Layering.UNKNOWN
    assert reason in census.problems[0]


def test_human_text_shows_an_overlay() -> None:
    text = "● Booted image: quay.io/example/x:1\n   Digest: sha256:aa (amd64)\n  /usr overlay: transient, read/write\n"
    machine = census_of(text).machine
    assert machine.booted is not None
    assert machine.booted.unlocked is Unlocked.DEVELOPMENT
    assert machine.os.arch == "x86_64"


@given(st.integers(min_value=0, max_value=len(yaml_with())))
def test_a_cut_document_is_clean_only_once_it_said_so(length: int) -> None:
    text = yaml_with()[:length]
    clean = census_of(text).booted.layering is Layering.CLEAN
    assert clean == ("incompatible: false" in text)


@given(st.text(alphabet="ab:-#'\"|>{}[]&*! \n\t") | st.text())
def test_neither_reader_ever_raises(text: str) -> None:
    parse_yaml_subset(text)
    parse_bootc(text)
    parse_bootc("apiVersion: org.containers.bootc/v1\n" + text)
    parse_bootc('{"apiVersion": "org.containers.bootc/v1", ' + text)


def test_nesting_without_end_is_passed_over() -> None:
    deep = "".join(f"{' ' * depth}a:\n" for depth in range(5000))
    assert parse_yaml_subset(deep)["a"] is not None
    assert parse_yaml_subset("- " * 5000) == {}
    parse_bootc('{"apiVersion": "org.containers.bootc/v1", "a": ' + "[" * 100_000)


def test_yaml_that_kubernetes_writes() -> None:
    text = """\
apiVersion: v1
metadata:
  annotations:
    csi.volume.kubernetes.io/nodeid: '{"ebs":"i-0","it''s":1}'
    long: first line
      second line: not a key
    note: |
      kind: Fake
      name: nobody
  labels:
    node-role.kubernetes.io/worker: ""
  managedFields:
  - fieldsV1:
      f:metadata:
        k:{"type":"Ready"}:
          .: {}
  name: "worker-\\u0030"
status:
  addresses:
  - address: 10.0.0.1
    type: InternalIP
  images: []
---
name: second
"""
    document = parse_yaml_subset(text)
    metadata = document["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["name"] == "worker-0"
    assert metadata["labels"] == {"node-role.kubernetes.io/worker": ""}
    assert metadata["annotations"] == {
        "csi.volume.kubernetes.io/nodeid": '{"ebs":"i-0","it\'s":1}',
        "long": "first line second line: not a key",
        "note": "kind: Fake name: nobody",
    }
    assert document["status"] == {"addresses": [{"address": "10.0.0.1", "type": "InternalIP"}], "images": []}
    assert "name" not in document


LONG = {
    "blank lines": "status:\n" + "\n" * 60_000,
    "lines of signs": "status:\n" + ":\n" * 60_000,
    "blanks within a value": "● Booted image: x\n  Digest: x" + " " * 100_000 + "x\n",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_time_grows_with_the_length_of_a_text_and_not_with_its_square(text: str) -> None:
    started = time.process_time()
    parse_bootc(text)
    assert time.process_time() - started < 1.0
