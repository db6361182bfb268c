"""What is true of a simulated fleet, as a document: `DIR.truth.json`, by `data/schemas/truth-v1.schema.json`. Pure."""

import dataclasses
import json
from dataclasses import dataclass

SCHEMA = "layercensus/truth/v1"


@dataclass(frozen=True, slots=True)
class Machines:
    """Machines of the reporting clusters by what they truly are; `unknown` of them could not be read or were not seen.

    `classifiable`: all of the four classes. A machine that is unknown in the rows has its true class here.
    """

    clean: int
    extensions: int
    overrides: int
    packages: int
    classifiable: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Quality:
    """Clusters, by the report's population rule on `as_of`; `clone_pairs` are two reporting ids of one fleet each.

    Both ids of a pair count as clusters, in the machines too, as they do in a report that cannot know.
    """

    reporting: int
    silent: int
    skewed: int
    clone_pairs: int


@dataclass(frozen=True, slots=True)
class Truth:
    """What was asked for, and what is true of it. Shares are fractions.

    `share` is that of the process which made the fleet, from its parameters (`simulate/process.py`), whatever the seed
    and the size: what an interval is about. `realised_share` is that of this fleet, packages by classifiable: what the
    bounds contain.
    """

    clusters: int
    days: int
    seed: int
    as_of: str
    signal: str
    share: float
    realised_share: float
    machines: Machines
    quality: Quality


def format_truth(truth: Truth) -> str:
    """JSON text, two spaces deep, ending in a newline."""
    return json.dumps({"schema": SCHEMA} | dataclasses.asdict(truth), indent=2) + "\n"
