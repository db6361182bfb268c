"""Commands, a module each. Rooms meet here and nowhere else, and are imported when a command runs.

A command is a generator of text: `cli` prints what it yields, and what it returns is the exit status.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

EXIT_DONE = 0
EXIT_PARTIAL = 1
EXIT_USAGE = 2
EXIT_LAYERED = 3
EXIT_BUG = 70
EXIT_INTERRUPTED = 130

Output = Generator[str, None, int]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command may touch of the process it runs in.

    `tick(done, total)` shows progress, if `shows_progress` says that anyone looks; `say(words)` shows in its place what
    takes seconds and has no count. `warn(line)` writes one line for people beside the output. `columns`: of the
    terminal that shows the output.
    """

    stdin: BinaryIO
    now: datetime
    shows_progress: bool
    tick: Callable[[int, int | None], None]
    say: Callable[[str], None]
    warn: Callable[[str], None]
    columns: int = 80
