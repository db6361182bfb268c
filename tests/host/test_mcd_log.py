"""The log of a machine-config-daemon: which start counts, whose it is, how old it is, and what a cut one says."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercensus.classify.census import classify
from layercensus.host.documents.mcd_log import is_mcd_log, parse_mcd_log
from layercensus.model import Layering, Machine, Readability, Source

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "status-text" / "rhcos-44-mcd-log-embedded.txt"

IMAGE = "ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:" + "57" * 32
DIGEST = f"                   Digest: sha256:{'57' * 32}"


def status(*rows: str, version: str = "416.94.202405010000-0") -> list[str]:
    lines = [
        "Deployments:",
        f"* {IMAGE}",
        DIGEST,
        f"                  Version: {version} (2024-05-01T08:00:00Z)",
        *rows,
    ]
    return [*lines, "", f"  {IMAGE}", DIGEST, "                  Version: 416.94.202403010000-0 (2024-03-01T08:00:00Z)"]


def start(
    minute: int, rows: list[str] | None, *, node: str = "worker-1", quoted: bool = True, tail: tuple[str, ...] = ()
) -> list[tuple[int, str]]:
    def klog(place: str, message: str) -> str:
        return f"I0501 10:{minute:02}:01.123456    3820 {place}] {message}"

    manages = f'"Starting to manage node: {node}"' if quoted else f"Starting to manage node: {node}"
    lines = [
        klog("start.go:69", "Version: v4.16.0-202405010000 (480accd5d4f631d34e560aa5c8a3dfab0c7bbe27)"),
        klog("update.go:2595", manages),
        klog("rpm-ostree.go:308", "Running captured: rpm-ostree status"),
    ]
    if rows is not None:
        lines += [klog("daemon.go:1565", "State: idle"), *rows, klog("coreos.go:53", "CoreOS aleph version: x")]
    return [(minute, line) for line in [*lines, *(klog("daemon.go:2880", text) for text in tail)]]


def log(*starts: list[tuple[int, str]], stamps: bool = True, zone: str = "Z") -> str:
    lines = (line for one in starts for line in one)
    prefix = f"2024-05-01T10:{{:02}}:01.123456789{zone} " if stamps else ""
    return "".join(f"{prefix.format(minute)}{line}\n" for minute, line in lines)


def layering(machine: Machine) -> Layering:
    return classify(machine).booted.layering


@pytest.mark.parametrize("stamps", [True, False])
@pytest.mark.parametrize("quoted", [True, False])
def test_the_status_at_the_start_of_the_daemon(*, stamps: bool, quoted: bool) -> None:
    text = log(start(0, status("          LayeredPackages: htop usbguard"), quoted=quoted), stamps=stamps)
    assert is_mcd_log(text)
    machine = parse_mcd_log(text, "current.log")
    assert machine.source is Source.MCD_LOG
    assert machine.node == "worker-1"
    assert machine.observed_at == ("2024-05-01T10:00:01Z" if stamps else None)
    assert machine.booted is not None
    assert [change.name for change in machine.booted.changes] == ["htop", "usbguard"]
    assert machine.problems == ()
    assert layering(machine) is Layering.PACKAGES


def test_the_newest_of_several_starts_counts() -> None:
    text = log(start(0, status("          LayeredPackages: htop")), start(9, status()))
    machine = parse_mcd_log(text, "log")
    assert layering(machine) is Layering.CLEAN
    assert machine.observed_at == "2024-05-01T10:09:01Z"


def test_a_start_that_shows_none_leaves_the_one_before_and_says_so() -> None:
    text = log(start(0, status("          LayeredPackages: htop")), start(9, None))
    machine = parse_mcd_log(text, "log")
    assert layering(machine) is Layering.PACKAGES
    assert machine.observed_at == "2024-05-01T10:00:01Z"
    assert "an earlier start was taken" in machine.problems[0]
    assert "start at 2024-05-01T10:00:01Z, the log goes on to 2024-05-01T10:09:01Z" in machine.problems[1]


def test_a_log_that_goes_on_says_how_old_its_evidence_is() -> None:
    later = [(58, "I0501 10:58:01.1    3820 daemon.go:99] nothing of note")]
    machine = parse_mcd_log(log(start(0, status()), later), "log")
    assert machine.problems == (
        "the status is of the daemon's start at 2024-05-01T10:00:01Z, the log goes on to 2024-05-01T10:58:01Z",
    )
    assert layering(machine) is Layering.CLEAN


def test_times_with_an_offset_are_kept_as_utc() -> None:
    machine = parse_mcd_log(log(start(0, status()), zone="-04:00"), "log")
    assert machine.observed_at == "2024-05-01T14:00:01Z"


def test_the_form_that_kubelet_keeps_on_disk() -> None:
    lines = log(start(0, status("          LayeredPackages: htop")), zone="Z stderr F").splitlines()
    text = "\n".join(lines)
    assert is_mcd_log(text)
    assert layering(parse_mcd_log(text, "0.log")) is Layering.PACKAGES


def test_a_log_that_was_rotated_away_is_unknown() -> None:
    text = log([(0, "I0501 10:00:01.1    3820 daemon.go:99] nothing of note")])
    machine = parse_mcd_log(text, "log")
    assert machine.readability is Readability.UNKNOWN
    assert "begins after the daemon's start" in machine.problems[0]


def test_a_status_that_failed_is_unknown_and_says_why() -> None:
    line = "F0501 10:00:02.1    3820 daemon.go:1561] unable to get rpm-ostree status: exit status 1"
    machine = parse_mcd_log(log(start(0, None), [(0, line)]), "log")
    assert layering(machine) is Layering.UNKNOWN
    assert "exit status 1" in machine.problems[0]
    assert machine.node == "worker-1"


def test_unsupported_packages_support_and_never_decide() -> None:
    tail = ("Found 2 requested local packages in the booted deployment", "Unsupported package htop")
    agreed = parse_mcd_log(log(start(0, status("          LayeredPackages: htop"), tail=tail)), "log")
    assert agreed.problems == ()
    inactive = parse_mcd_log(log(start(0, status(), tail=tail)), "log")
    assert layering(inactive) is Layering.CLEAN
    assert inactive.problems == ("the daemon calls unsupported what the status does not show: htop",)
    alone = parse_mcd_log(log(start(0, None, tail=tail)), "log")
    assert layering(alone) is Layering.UNKNOWN
    assert "by requests: htop" in alone.problems[0]


def test_words_inside_other_messages_are_no_status() -> None:
    fake = [
        (0, "I0501 10:00:01.1    3820 update.go:99] executing: echo State: idle"),
        (0, "Deployments:"),
        (0, "* a:b"),
        (0, "Version: 1 (x)"),
    ]
    assert parse_mcd_log(log(fake), "log").booted is None


@given(st.data())
def test_a_cut_log_is_never_clean_unless_its_status_was_whole(data: st.DataObject) -> None:
    text = log(start(0, status("            LocalPackages: htop-3.2.1-1.el9.x86_64")))
    length = data.draw(st.integers(min_value=0, max_value=len(text)))
    machine = parse_mcd_log(text[:length], "log")
    assert layering(machine) in {Layering.UNKNOWN, Layering.PACKAGES}


def test_a_status_that_ends_with_the_log_may_be_cut_and_is_unknown() -> None:
    lines = log(start(0, status())).splitlines()
    booted_shown = next(index for index, line in enumerate(lines) if "Version: 416.94.202405" in line)
    for end in range(booted_shown, len(lines) - 1):
        machine = parse_mcd_log("\n".join(lines[: end + 1]) + "\n", "log")
        whole = machine.booted is not None and not machine.booted.cut
        assert (layering(machine) is Layering.CLEAN) == whole
        if end < booted_shown + 3:
            assert layering(machine) is Layering.UNKNOWN
        assert machine.problems


def test_a_status_without_end_is_kept_in_part() -> None:
    machine = parse_mcd_log(log(start(0, [*status(), *["   x"] * 100_000])), "log")
    assert machine.booted is not None
    assert any("shown in part" in problem for problem in machine.problems)


@given(st.text())
def test_no_text_raises(text: str) -> None:
    parse_mcd_log(text, "log")
    parse_mcd_log("I0501 10:00:01.1    3820 daemon.go:99] State: idle\n" + text, "log")


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus of published documents is not beside the checkout")
def test_the_published_log() -> None:
    text = CORPUS.read_text(encoding="utf-8")
    machine = parse_mcd_log(text, "log")
    assert is_mcd_log(text)
    assert layering(machine) is Layering.CLEAN
    assert machine.node == "redacted-node"
    assert machine.observed_at is None
    assert machine.booted is not None
    assert machine.booted.version == "44.81.202005180831-0"
