"""Texts that hold several documents: none may hide another, and of one host the one that says most counts."""

import pytest

from layercensus.classify.census import classify
from layercensus.data import read_text
from layercensus.host.documents.document import parse_document
from layercensus.model import Layering, Source

STATUS = read_text("demo/osprey/worker-2.txt")
BOOTC = """\
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
      checksum: 41af286dc0b172ed2f1ca934fd2278de4a1192302ffa07087cea2682e7d372e3
      deploySerial: 0
  rollback: null
  rollbackQueued: false
  type: bootcHost
"""
ORIGIN = "[origin]\ncontainer-image-reference=ostree-unverified-registry:quay.io/x/y:z\n[packages]\nrequested=htop;\n"
LOG = """\
I0722 08:59:47.980510    3820 update.go:1291] Starting to manage node: {node}
I0722 08:59:47.988656    3820 rpm-ostree.go:366] Running captured: rpm-ostree status
I0722 08:59:48.056755    3820 daemon.go:778] {status}
I0722 08:59:48.056786    3820 rpm-ostree.go:366] Running captured: journalctl --list-boots
"""


def classes_of(text: str) -> list[Layering]:
    return [classify(machine).booted.layering for machine in parse_document(text, "text")]


@pytest.mark.parametrize("other", [BOOTC.replace("{incompatible}", "false"), ORIGIN], ids=["bootc", "origin"])
@pytest.mark.parametrize("status_first", [True, False])
def test_a_status_is_not_hidden_by_a_document_that_says_less(other: str, status_first: bool) -> None:
    text = f"{STATUS}\n{other}" if status_first else f"{other}\n{STATUS}"
    (machine,) = parse_document(text, "text")
    assert machine.source is Source.RPM_OSTREE_TEXT
    assert classify(machine).booted.layering is Layering.PACKAGES
    assert any("was not used" in problem for problem in machine.problems)


def test_two_bootc_hosts_are_two_machines() -> None:
    text = BOOTC.replace("{incompatible}", "false") + BOOTC.replace("{incompatible}", "true")
    assert classes_of(text) == [Layering.CLEAN, Layering.UNKNOWN]


def test_the_logs_of_two_daemons_are_two_machines() -> None:
    clean = read_text("demo/turnstone/worker-2.txt")
    text = LOG.format(node="a", status=STATUS.strip()) + LOG.format(node="b", status=clean.strip())
    machines = list(parse_document(text, "text"))
    assert [machine.node for machine in machines] == ["a", "b"]
    assert classes_of(text) == [Layering.PACKAGES, Layering.CLEAN]


def test_line_ends_of_another_system_change_nothing() -> None:
    for text in (STATUS, ORIGIN, BOOTC.replace("{incompatible}", "false")):
        assert classes_of(text.replace("\n", "\r\n")) == classes_of(text)


def test_jsonpath_wraps_the_document_in_an_array() -> None:
    document = " ".join(read_text("demo/osprey/worker-1.json").split())
    assert classes_of(f"[{document}]\n") == [Layering.PACKAGES]
    assert classes_of(f"[{document},{document}]\n") == [Layering.PACKAGES] * 2


def test_bootcs_own_failure_is_a_machine_that_could_not_be_read() -> None:
    text = "ERROR: Status: Computing status: Missing base image ref ostree/container/blob/x\n"
    assert classes_of(text) == [Layering.UNKNOWN]
