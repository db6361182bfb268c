"""The system calls of an agent and of its children, as strace sees them: nothing of the host is written or locked.

The sysroot is a real one with an rpm database, so that every reader takes part.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.running import agent, class_in
from tests.real.agent_hosts import BASE, LAYERED_ORIGIN, Host, row, scratch_folder
from tests.real.prometheus_server import require
from tests.real.sysroots import build_database, client_layer, missing_programs

pytestmark = pytest.mark.real

QUICK = {"look_seconds": 0.2, "read_seconds": 0.2}
# %file: every call that takes a path. The others are what could lock, connect or change a file by its number.
TRACED = "%file,%network,flock,fcntl,ftruncate,fchmod,fchown,fallocate,fsetxattr,futimesat,utimensat,ioctl"
READS = (
    "access", "chdir", "execve", "faccessat", "faccessat2", "getcwd", "getxattr", "lgetxattr", "listxattr", "lstat",
    "newfstatat", "open", "openat", "openat2", "readlink", "readlinkat", "stat", "statfs", "statx",
)  # fmt: skip

WRITES = {"connect", "fchmod", "flock", "ftruncate", "sendmsg", "utimensat"}


@pytest.fixture
def layered() -> Iterator[Host]:
    if missing := missing_programs():
        reason = f"NO SYSTEM CALL WAS SEEN, missing: {missing}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with scratch_folder() as folder:
        host = Host(folder, "layered")
        rows = [*BASE, row("strange-tool"), row("usbguard")]
        database = build_database(folder / "rpms", rows)
        metadata = client_layer(None, packages=["strange-tool", "usbguard"])
        layer = host.sysroot.commit(metadata, parent=host.base, database=database)
        yield host.boot(layer, LAYERED_ORIGIN)


def calls(trace: Path) -> list[tuple[str, str]]:
    """Name and the rest of each call that was seen whole."""
    pattern = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?([a-z_0-9]+)\((.*)$")
    return [(match[1], match[2]) for line in trace.read_text().splitlines() if (match := pattern.match(line))]


def test_it_opens_to_read_only_locks_nothing_runs_nothing_and_calls_nobody(layered: Host, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    strace = require("strace", "strace")

    def wrapped(command: list[str]) -> list[str]:
        return [strace, "-D", "-f", "-qq", "-s", "512", "-e", f"trace={TRACED}", "-o", str(trace), *command]

    with agent(QUICK, root=layered.root, wrapped=wrapped) as running:
        first = running.metrics()
        assert class_in(first) == "packages"
        key = "layercensus_read_timestamp_seconds"
        running.wait_until(lambda found: found[key] > first[key])
        assert running.stop() == 0
    seen = calls(trace)
    # The trace did see the readers at work, in the children too.
    # The rpm database is opened as the object that it is in the repository.
    assert any('.file"' in rest for name, rest in seen if name == "openat")
    assert any(".origin" in rest for name, rest in seen if name == "openat")
    paths = str(layered.root), str(layered.sysroot.path)
    on_host = [(name, rest) for name, rest in seen if any(path in rest for path in paths)]
    assert len(on_host) > 20
    assert {name for name, _ in on_host} <= set(READS)
    opened = [rest for name, rest in seen if name in {"open", "openat", "openat2"}]
    assert [rest for rest in opened if re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)", rest)] == []
    assert {name for name, _ in seen} & WRITES == set()
    assert [rest for _, rest in seen if re.search(r"F_(OFD_)?SETLK", rest)] == []
    assert sum(name == "execve" for name, _ in seen) == 1
