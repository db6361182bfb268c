"""One target, given its seeds with parts repeated; a child of `fuzz/run.py`. Prints one line of JSON.

python -m fuzz.stretch TARGET FOLDER
"""

import json
import sys
from hashlib import sha256
from pathlib import Path

from fuzz import guard
from fuzz.seeds import seeds_of
from fuzz.targets import TARGETS


def main(name: str, folder: Path) -> int:
    """Give all of them; the exit status is 1 where something was found."""
    target, number = TARGETS[name], 0
    found: list[str] = []
    for seed in seeds_of(name):
        for data in guard.stretched(seed):
            number += 1
            try:
                guard.run_stretched(target, data)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                path = folder / "found" / f"{name}-stretched-{sha256(data).hexdigest()[:12]}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                found.append(f"{path}: {type(error).__name__}: {error}")
    print(json.dumps({"executions": number, "found": found}))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
