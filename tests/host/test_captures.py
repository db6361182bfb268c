"""What `read_captures` opens and what it leaves alone: the kernel's files, other file systems, hidden files, our own."""

import os
from io import BytesIO
from pathlib import Path

import pytest

from layercensus.host.captures import count_files, read_captures
from layercensus.model import Machine, Skipped, Source

# On every Linux, and to read it changes nothing.
KERNEL_FOLDER = "/proc/sys/kernel/random"


def read(*paths: str | Path) -> list[Machine | Skipped]:
    return list(read_captures([str(path) for path in paths], BytesIO()))


def skipped(*paths: str | Path) -> dict[str, tuple[str, bool]]:
    return {item.input: (item.reason, item.lost) for item in read(*paths) if isinstance(item, Skipped)}


@pytest.mark.parametrize("path", [f"{KERNEL_FOLDER}/boot_id", "/proc/version", "/proc/self/mountinfo"])
def test_a_file_of_the_kernel_given_by_name_is_an_unknown_machine_and_is_not_opened(path: str) -> None:
    """`/proc/kmsg`, read as root, takes its lines away from the log; and it never ends."""
    (machine,) = read(path)
    assert isinstance(machine, Machine)
    assert "kernel" in machine.problems[0]


def test_a_folder_of_the_kernel_is_not_walked() -> None:
    (item,) = read(KERNEL_FOLDER)
    assert isinstance(item, Skipped)
    assert (item.input, item.lost) == (KERNEL_FOLDER, True)
    assert "kernel" in item.reason
    assert count_files([KERNEL_FOLDER]) == 1


def test_another_file_system_below_a_folder_is_not_entered_and_that_is_said() -> None:
    """`/dev/shm` may hold files, so a machine may be behind it; `/dev/pts` is the kernel's, so none is."""
    found = skipped("/dev")
    assert {path for path in found if path.startswith(("/dev/pts", "/dev/shm"))} == {"/dev/pts", "/dev/shm"}
    assert found["/dev/shm"][1]
    assert "kernel" in found["/dev/pts"][0]


def test_a_device_given_by_name_is_not_read() -> None:
    """`/dev/kmsg` and `/dev/zero` never end."""
    (machine,) = read("/dev/zero")
    assert isinstance(machine, Machine)
    assert "is a device" in machine.problems[0]


def test_a_pipe_through_proc_is_read() -> None:
    """The shell gives `/dev/fd/63` for `<(…)`, which leads through proc to a pipe."""
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "wb") as stream:
        stream.write(b"State: idle\nDeployments:\n")
        stream.close()
        (machine,) = read(f"/proc/self/fd/{reader}")
    assert isinstance(machine, Machine)
    assert machine.source is Source.RPM_OSTREE_TEXT
