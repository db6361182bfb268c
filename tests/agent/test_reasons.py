"""Reasons, from what the host room really says of broken hosts, and from texts of its own."""

from pathlib import Path

import pytest

from layercensus.agent.reasons import reason_of
from layercensus.data import read_json
from layercensus.host.live.sysroot import read_sysroot

MACHINE_ID = "etc/machine-id"


def host(folder: Path, origin: bytes | None = None) -> Path:
    """A root with one deployment, whose etc/machine-id is the host's, and no object in its repository."""
    directory = f"ostree/deploy/rhcos/deploy/{'a' * 64}.0"
    (folder / directory / "etc").mkdir(parents=True)
    (folder / "ostree/repo/objects").mkdir(parents=True)
    (folder / "etc").mkdir()
    (folder / directory / MACHINE_ID).write_text("1\n")
    (folder / MACHINE_ID).hardlink_to(folder / directory / MACHINE_ID)
    if origin is not None:
        (folder / f"{directory}.origin").write_bytes(origin)
    return folder


def reason_at(root: Path) -> str:
    return reason_of(read_sysroot(root).problems)


def test_nothing_there_is_not_found(tmp_path: Path) -> None:
    assert reason_at(tmp_path) == "not_found"


def test_a_machine_id_that_is_not_mounted_is_not_found(tmp_path: Path) -> None:
    root = host(tmp_path)
    (root / MACHINE_ID).unlink()
    assert reason_at(root) == "not_found"


def test_a_machine_id_of_another_host_is_inconsistent(tmp_path: Path) -> None:
    root = host(tmp_path)
    (root / MACHINE_ID).unlink()
    (root / MACHINE_ID).write_text("2\n")
    assert reason_at(root) == "inconsistent"


def test_a_commit_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    assert reason_at(host(tmp_path, b"[origin]\nrefspec=rhcos\n")) == "not_found"


@pytest.mark.parametrize(
    "origin", [b"[origin]\nrefsp", b"[ori", b"\xff\xfe", b"[origin]\nrefspec=a\n[packages\n", b"x" * 17_000_000]
)
def test_half_an_origin_is_malformed(tmp_path: Path, origin: bytes) -> None:
    assert reason_at(host(tmp_path, origin)) == "malformed"


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ("/a.origin: cannot be read: Permission denied; read it as root, or give the reader access", "permission"),
        (
            "which deployment is booted cannot be told: the mount of etc/machine-id says a.0; the root says b.0",
            "inconsistent",
        ),
        ("abc: is no commit with this checksum: it was cut or altered", "malformed"),
        ("/a: cannot be read: Input/output error", "other"),
        ("", "other"),
    ],
)
def test_a_problem_has_one_reason_of_the_contract(problem: str, reason: str) -> None:
    assert reason_of((problem,)) == reason
    (entry,) = (
        one for one in read_json("contract/metrics.json")["metrics"] if one["name"] == "layercensus_read_errors_total"
    )
    assert reason in entry["labels"]["reason"]
