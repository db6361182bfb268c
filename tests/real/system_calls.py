"""System calls of a program and all its processes, as strace writes them down."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

WRITES = {"write", "writev", "pwrite64", "sendto", "sendmsg"}
SYNCS = {"fsync", "fdatasync"}
RENAMES = {"rename", "renameat", "renameat2"}
REMOVALS = {"unlink", "unlinkat", "rmdir"}
FOLDERS = {"mkdir", "mkdirat"}
# All that changes files as they are changed here; who relies on it compares with the files.
TRACED = ",".join(sorted(WRITES | SYNCS | RENAMES | REMOVALS | FOLDERS | {"openat", "close", "ftruncate", "lseek"}))
NO_CONTENT = b"HTTP/1.1 204 "


def traced_command(command: list[str], strace: str, trace: Path, *more: str) -> list[str]:
    """The command that runs another under strace: paths of descriptors, and every byte that is written."""
    options = ["-D", "-f", "-qq", "-yy", "-xx", "-s", "10000000", "-e", f"trace={TRACED}", *more, "-o", str(trace)]
    return [strace, *options, *command]


@dataclass(frozen=True)
class Call:
    """A system call; `began` and `ended` are lines of the trace. `result` None where the process ended in it."""

    name: str
    arguments: str
    result: int | None
    began: int
    ended: int

    @cached_property
    def descriptor(self) -> int:
        return int(self.arguments.partition("<")[0])

    @cached_property
    def opened(self) -> str:
        """What the descriptor in front is: a path, or `TCP:[…->…]`."""
        found = re.match(r"\d+<((?:->|[^>])*)>", self.arguments)
        return _bytes(found[1]).decode() if found else ""

    @cached_property
    def strings(self) -> list[bytes]:
        return [_bytes(text) for text in re.findall(r'"((?:[^"\\]|\\.)*)"', self.arguments)]

    @cached_property
    def data(self) -> bytes:
        """What was written, as far as it was."""
        return b"".join(self.strings)[: self.result]

    @property
    def held(self) -> bool:
        return self.result is not None and self.result >= 0


def _bytes(text: str) -> bytes:
    r"""What strace shows, `\x2f` for a byte where it is asked for it, as bytes."""
    return re.sub(rb"(?:\\x[0-9a-f]{2})+", lambda run: bytes.fromhex(run[0].decode().replace("\\x", "")), text.encode())


def parse_trace(text: str) -> list[Call]:
    """Calls in the order in which they began. A call that another thread's calls interrupt stands in two lines."""
    found: list[Call] = []
    begun: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(text.splitlines()):
        thread, _, rest = line.partition(" ")
        rest, began = rest.strip(), number
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest.removesuffix("<unfinished ...>").rstrip(), number
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>", rest):
            begin, began = begun.pop(thread)
            rest = begin + rest[resumed.end() :]
        if match := re.match(r"(\w+)\((.*)\)\s+= (-?\d+|\?)", rest):
            found.append(Call(match[1], match[2], None if match[3] == "?" else int(match[3]), began, number))
    return sorted(found, key=lambda call: call.began)


def answers_by_port(calls: Sequence[Call]) -> dict[int, list[Call]]:
    """Calls that answer 204, in their order, by the port of the sender on loopback."""
    found: dict[int, list[Call]] = {}
    for call in calls:
        peer = re.search(r"->127\.0\.0\.1:(\d+)\]", call.opened) if call.name in WRITES else None
        if peer and call.data.startswith(NO_CONTENT):
            found.setdefault(int(peer[1]), []).append(call)
    return found
