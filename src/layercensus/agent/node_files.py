"""⇄ The two files of a node that the agent touches beside what it reads: the stamp, looked at, and the text file.

libostree sets the time of `ostree/deploy` at each write of a deployment, a staged one or an unlock too
(`ostree-sysroot.c`, _ostree_sysroot_bump_mtime): one stat(2) tells whether anything moved.
"""

import os
from pathlib import Path

from layercensus.agent.state import Stamp

_DEPLOY = (Path("sysroot/ostree/deploy"), Path("ostree/deploy"))


def read_stamp(root: Path) -> Stamp:
    """Inode, mtime and ctime of the folder of deployments; None where there is none or it can't be seen."""
    for path in _DEPLOY:
        try:
            found = (root / path).stat()
        except OSError:
            continue
        return (found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
    return None


def write_text_file(path: Path, content: bytes) -> None:
    """Replace a file atomically and durably, readable to all, as node_exporter's textfile collector needs it.

    Raises `OSError`. The file beside it has no `.prom` at its end, so no collector takes it for one of its own.
    """
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fchmod(stream.fileno(), 0o644)
        os.fsync(stream.fileno())
    try:
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
