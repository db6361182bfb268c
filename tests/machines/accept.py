"""Write the goldens of `tests/machines` anew: `.venv/bin/python tests/machines/accept.py [SITUATION…]`; all, if none is named.

The only way a golden changes. Read the difference (`git diff tests/machines`) by hand, against the design, part 3 to 6,
before it is committed: what this writes is what the code says, not what is right.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layercensus.classify.census import classify
from layercensus.host.documents.document import parse_document
from layercensus.metrics.census_json import format_census_json
from layercensus.metrics.families import exposition_lines, machine_families
from layercensus.migrate.plan import PoolPlan, Wishes
from layercensus.migrate.planning import make_plans
from layercensus.migrate.render_text import plan_lines

HERE = Path(__file__).parent
GOLDENS = {"census.json", "metrics.prom", "plan.txt", "Containerfile", "machineosconfig.yaml"}


def situations() -> Iterator[Path]:
    """Folders that hold a machine, in name order."""
    return (path for path in sorted(HERE.iterdir()) if path.is_dir() and list(path.glob("status.*")))


def render(situation: Path) -> dict[str, str]:
    """Golden file -> what the code makes of the situation's status, its input being the file's name."""
    (status,) = situation.glob("status.*")
    # Read as bytes: a paste keeps its line ends.
    text = status.read_bytes().decode()
    (machine,) = parse_document(text, status.name)
    census = classify(machine)
    document: dict[str, Any] = json.loads("".join(format_census_json([census], [])))
    wishes = Wishes(pool="worker", rpm_image="registry.example.com/rpms:1")
    plans = make_plans([census], wishes)
    return _plan_files(plans) | {
        "census.json": json.dumps(document["machines"][0], indent=2, ensure_ascii=False) + "\n",
        "metrics.prom": "".join(exposition_lines(machine_families(census))),
    }


def _plan_files(plans: tuple[PoolPlan, ...]) -> dict[str, str]:
    """The plan for people, and the texts that it has."""
    (plan,) = plans
    texts = {"Containerfile": plan.containerfile, "machineosconfig.yaml": plan.machine_os_config}
    return {"plan.txt": "".join(plan_lines(plans, []))} | {name: text for name, text in texts.items() if text}


def main(names: list[str]) -> int:
    """Write the goldens of the named situations, none of them if one is not there; the exit status."""
    there = {situation.name: situation for situation in situations()}
    if unknown := [name for name in names if name not in there]:
        print(f"no such situation: {', '.join(unknown)}; there are {', '.join(there)}", file=sys.stderr)
        return 2
    for situation in map(there.__getitem__, names or there):
        files = render(situation)
        for gone in {path.name for path in situation.iterdir()} & GOLDENS - set(files):
            (situation / gone).unlink()
        for name, text in files.items():
            (situation / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
