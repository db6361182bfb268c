"""One target, guided by coverage (atheris, libFuzzer) for some seconds; a child of `fuzz/run.py`, which reads it.

python -m fuzz.guided TARGET SECONDS FOLDER
"""

import importlib
import sys
from pathlib import Path

import atheris

_LONGEST_BYTES = 16 * 1024
# What was found by its length would only be slow here.
_LONGEST_KEPT_BYTES = 1024


def main(name: str, seconds: str, folder: Path) -> None:
    """Fuzz; ends the process, with a status other than 0 where something was found."""
    # Only our own code is watched: what coverage is wanted of must be imported here.
    with atheris.instrument_imports(include=["layercensus", "jwt"], enable_loader_override=False):
        targets = importlib.import_module("fuzz.targets")
    guard = importlib.import_module("fuzz.guard")
    seeds = importlib.import_module("fuzz.seeds").seeds_of(name)
    found_before = importlib.import_module("fuzz.kept").KEPT.get(name, {}).values()
    kept = [data for data in found_before if len(data) < _LONGEST_KEPT_BYTES]
    corpus, found = folder / "corpus" / name, folder / "found"
    for place in (corpus, found):
        place.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate((*seeds, *kept)):
        (corpus / f"seed-{number}").write_bytes(data)
    target = targets.TARGETS[name]
    target.run(seeds[0])

    def give(data: bytes) -> None:
        guard.run_measured(target, data)

    atheris.Setup(
        [
            *(sys.argv[0], str(corpus), f"-max_total_time={seconds}", f"-timeout={guard.SECONDS:.0f}"),
            *(
                f"-max_len={_LONGEST_BYTES}",
                "-rss_limit_mb=2048",
                "-print_final_stats=1",
                f"-artifact_prefix={found}/{name}-",
            ),
        ],
        give,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
