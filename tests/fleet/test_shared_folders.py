"""Folders that outlive a power loss."""

import os
from pathlib import Path

import pytest

from layercensus.fleet.inbox import InboxWriter
from layercensus.fleet.shared_folders import folders_above


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What is synced in the test."""
    found: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: found.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    return found


def test_folders_above_are_those_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "disk" / "one").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    assert folders_above(tmp_path / "link" / "one")[-2:] == [tmp_path, tmp_path / "disk"]


def test_folders_above_end_where_a_file_system_is_mounted() -> None:
    assert folders_above(Path("/proc/self")) == [Path("/proc")]


def test_a_writer_syncs_the_names_of_its_inbox_once_whoever_made_it(tmp_path: Path, synced: list[Path]) -> None:
    """A collector that was killed may have made a folder, and not come to the sync of its name."""
    inbox = tmp_path / "inboxes" / "one"
    inbox.mkdir(parents=True)
    writer = InboxWriter(inbox, "1", lambda: 1)
    writer.commit([])
    assert synced[:2] == [inbox.parent, tmp_path]
    assert synced[-1] == inbox
    writer.seal()
    synced.clear()
    writer.commit([])
    assert synced == [inbox]
    writer.seal()


def test_a_writer_that_cannot_sync_a_name_of_its_inbox_keeps_nothing_and_goes_on_with_it_the_next_time(
    tmp_path: Path, synced: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = tmp_path / "inboxes" / "one"
    inbox.mkdir(parents=True)
    sync = os.fsync
    writer = InboxWriter(inbox, "1", lambda: 1)

    def fail(descriptor: int) -> None:
        if synced:
            raise OSError
        sync(descriptor)

    with monkeypatch.context() as failing:
        failing.setattr(os, "fsync", fail)
        with pytest.raises(OSError):  # noqa: PT011 - any
            writer.commit([])
    assert list(inbox.iterdir()) == []
    assert synced == [inbox.parent]
    writer.commit([])
    assert synced[:2] == [inbox.parent, tmp_path]
    assert synced[-1] == inbox
    writer.seal()
