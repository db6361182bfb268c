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
    """What is passed over in these folders; that a folder which was named holds nothing else is another matter."""
    found = [item for item in read(*paths) if isinstance(item, Skipped) and item.found_in is not None]
    return {item.input: (item.reason, item.lost) for item in found}


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


def write(folder: Path, **texts: str) -> Path:
    """Files of a folder by name, in which `__` stands for a dot."""
    for name, text in texts.items():
        path = folder / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_hidden_names_of_a_folder_are_no_captures(tmp_path: Path) -> None:
    """`.gitkeep` is empty as a capture of a node that did not answer is; what was given by name is read."""
    folder = write(tmp_path / ".captures", __gitkeep="", __hidden="x", worker="")
    (folder / ".git").mkdir()
    write(folder / ".git", index="")
    reason = "is hidden: its name begins with a dot"
    assert skipped(folder) == {
        f"{folder}/.git": (reason, False),
        f"{folder}/.gitkeep": (reason, False),
        f"{folder}/.hidden": (reason, False),
        f"{folder}/worker": ("is empty", True),
    }
    (machine,) = read(folder / ".gitkeep")
    assert isinstance(machine, Machine)


OURS = {
    "census": '{"schema": "layercensus/census/v1",\n "machines": [\n  {"changes": [{"from": "requested-packages"}]}],\n "skipped": []}\n',
    "plan": '{\n "schema": "layercensus/plan/v1",\n "pools": []\n}\n',
}


@pytest.mark.parametrize("name", OURS)
def test_what_we_wrote_ourselves_is_no_capture_and_that_is_said(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, out__json=OURS[name]) / "out.json"
    assert skipped(tmp_path) == {
        str(path): (f"was written by layercensus (layercensus/{name}/v1) and is no host document", False)
    }


def test_a_machine_of_a_census_is_no_capture(tmp_path: Path) -> None:
    """As `jq '.machines[0]'` and our own goldens have it: no schema, and the words of a status as values only."""
    write(tmp_path, a='{"input": "x", "changes": [{"from": "requested-packages"}]}', b='{"from":"requested-packages"}')
    assert [lost for _, lost in skipped(tmp_path).values()] == [False, False]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        '"requested-packages" : []}]}',
        '      "requested-packages"',
        OURS["census"] + '"requested-packages" : []}]}',
        '{"requested-packages" : [], "schema": "layercensus/census/v1"}',
    ],
)
def test_what_may_be_a_machine_stays_lost(text: str, tmp_path: Path) -> None:
    path = write(tmp_path, worker=text) / "worker"
    assert skipped(tmp_path)[str(path)][1]


def test_a_status_behind_a_census_is_a_machine(tmp_path: Path) -> None:
    write(tmp_path, both=OURS["census"] + '{"deployments": [')
    assert all(isinstance(item, Machine) for item in read(tmp_path))


def test_a_lake_below_a_folder_of_captures_is_not_entered(tmp_path: Path) -> None:
    write(tmp_path / "lake", lake__json='{"schema": "layercensus/lake", "version": 1}', derived="")
    assert skipped(tmp_path) == {f"{tmp_path}/lake": ("is a lake of layercensus, not a folder of captures", False)}


def test_a_machine_may_be_called_lake(tmp_path: Path) -> None:
    write(tmp_path / "east", lake__json="")
    assert skipped(tmp_path) == {f"{tmp_path}/east/lake.json": ("is empty", True)}
