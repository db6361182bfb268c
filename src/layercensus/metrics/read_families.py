"""Families that only the agent exposes: of its reads, and of each package where that was asked for. Pure.

Times are written in full: `:g` would round a Unix time to some hours.
"""

import math
import re
from collections.abc import Iterator, Mapping

from layercensus.metrics.families import Family, Sample, contract_of
from layercensus.model import Census


def read_lines(
    *, success: bool, timestamp_seconds: float | None, duration_seconds: float | None, errors: Mapping[str, int]
) -> Iterator[str]:
    """Exposition lines of the agent's reads; NaN where none succeeded or ended yet, zero for a reason not met."""
    yield from _lines("layercensus_read_success", {"": str(int(success))})
    yield from _lines("layercensus_read_timestamp_seconds", {"": _number(timestamp_seconds)})
    yield from _lines("layercensus_read_duration_seconds", {"": _number(duration_seconds)})
    name = "layercensus_read_errors_total"
    reasons = contract_of(name)["labels"]["reason"]
    counts = {reason: errors.get(reason, 0) for reason in reasons}
    # A reason that nobody agreed to is still an error that happened.
    counts["other"] += sum(count for reason, count in errors.items() if reason not in reasons)
    yield from _lines(name, {f'{{reason="{reason}"}}': str(count) for reason, count in counts.items()})


def package_family(census: Census) -> Family:
    """One series for each active change; its names stay in the cluster."""
    entry = contract_of("layercensus_package_info")
    found: dict[tuple[str, ...], Sample] = {}
    for judged in census.booted.changes:
        if judged.change.active is False:
            continue
        values = {
            "package": (judged.change.name or judged.change.requested)[:256],
            "kind": judged.change.kind.value,
            "verdict": judged.judgement.verdict.value,
            "category": judged.judgement.category or "",
            "vendor": judged.judgement.vendor or "",
        }
        patterns = entry["labels"]
        kept = {label: text if re.fullmatch(patterns[label]["pattern"], text) else "" for label, text in values.items()}
        # Two requests may be one package: a series may stand in an exposition once.
        found[tuple(kept.values())] = Sample(kept, 1)
    return Family("layercensus_package_info", entry["type"], entry["help"], tuple(found.values()))


def _lines(name: str, values: Mapping[str, str]) -> Iterator[str]:
    entry = contract_of(name)
    yield f"# HELP {name} {entry['help']}\n# TYPE {name} {entry['type']}\n"
    for labels, value in values.items():
        yield f"{name}{labels} {value}\n"


def _number(value: float | None) -> str:
    return "NaN" if value is None or math.isnan(value) else f"{value:.6f}".rstrip("0").rstrip(".")
