"""A census to metric families, by the contract `data/contract/metrics.json`: every value of a closed label, zeros too.

Pure. A family is the unit of the text format: name, type, help and samples (Prometheus text format 0.0.4).
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from layercensus.data import read_json
from layercensus.errors import Fault, MetricsError
from layercensus.model import Census, Deployment, JudgedChange, Layering, Need, Verdict
from layercensus.text import visible


@dataclass(frozen=True, slots=True)
class Sample:
    """Labels in contract order, and the value."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """One metric of the contract with its samples."""

    name: str
    type: str
    help: str
    samples: tuple[Sample, ...]


def machine_families(census: Census) -> tuple[Family, ...]:
    """Build the families that every machine has; those of the agent itself and of packages are not among them."""
    active = [judged for judged in census.booted.changes if judged.change.active is not False]
    none = 0 if _is_read(census) else math.nan
    staged = census.staged.changes if census.staged else ()
    return (
        _closed("layercensus_machine_layering", {(census.booted.layering.value,): 1}),
        _closed("layercensus_changes", _count((j.judgement.verdict.value, j.change.kind.value) for j in active), none),
        _closed("layercensus_non_extension_need", {(need.value,): 1 for need in needs_of(active)}, none),
        _closed(
            "layercensus_staged_changes",
            _count((j.judgement.verdict.value,) for j in staged if j.change.active is not False),
            none if census.machine.booted is None else 0,
        ),
        _info(census),
    )


def needs_of(changes: Iterable[JudgedChange]) -> frozenset[Need]:
    """Needs of the active changes that are no extension."""
    return frozenset(
        judged.judgement.need
        for judged in changes
        if judged.change.active is not False
        and judged.judgement.verdict is Verdict.NON_EXTENSION
        and judged.judgement.need is not None
    )


def merge_families(groups: Iterable[tuple[str, Iterable[Family]]]) -> tuple[Family, ...]:
    """One family per metric over several machines, each sample with `machine="<input>"`."""
    merged: dict[str, list[Sample]] = {}
    # A path given twice is one machine: a series may stand in an exposition once.
    for machine, families in dict(groups).items():
        for family in families:
            samples = merged.setdefault(family.name, [])
            samples += (Sample({**sample.labels, "machine": machine}, sample.value) for sample in family.samples)
    return tuple(_family(name, samples) for name, samples in merged.items())


def _info(census: Census) -> Family:
    deployment = census.machine.booted or Deployment()
    values = {
        "release": census.booted.release or "",
        "os_version": census.machine.os.version or "",
        "kernel_type": census.booted.kernel_type or "",
        "unlocked": deployment.unlocked or "",
        "image_layered": _word(flag=deployment.image_layered),
        "bootc_incompatible": _word(flag=deployment.bootc_incompatible),
    }
    patterns = contract_of("layercensus_deployment_info")["labels"]
    kept = {label: value if re.fullmatch(patterns[label]["pattern"], value) else "" for label, value in values.items()}
    return _family("layercensus_deployment_info", [Sample(kept, 1)])


def _word(*, flag: bool | None) -> str:
    return "" if flag is None else str(flag).lower()


def contract_of(name: str) -> Mapping[str, Any]:
    """Look up a metric in the contract. Raises `MetricsError` if it is not there: nobody agreed to it."""
    for entry in read_json("contract/metrics.json")["metrics"]:
        if entry["name"] == name:
            found: Mapping[str, Any] = entry
            return found
    raise MetricsError("is not in the metric contract", where=name, fault=Fault.US)


def _count(keys: Iterable[tuple[str, ...]]) -> Counter[tuple[str, ...]]:
    return Counter(keys)


def _is_read(census: Census) -> bool:
    """Whether all of the booted deployment is known, or the question does not apply: only then is nothing a zero."""
    booted = census.machine.booted
    return census.booted.layering is Layering.NOT_APPLICABLE or (booted is not None and not booted.cut)


def _closed(name: str, values: Mapping[tuple[str, ...], int], none: float = 0) -> Family:
    """Family with every value of its closed labels; `none` stands where nothing was counted: 0, or NaN if unsure."""
    labels = contract_of(name)["labels"]
    known = list(product(*labels.values()))
    if unknown := set(values) - set(known):
        raise MetricsError(f"has values that the contract does not list: {sorted(unknown)}", where=name, fault=Fault.US)
    return _family(name, [Sample(dict(zip(labels, key, strict=True)), values.get(key, none)) for key in known])


def _family(name: str, samples: Iterable[Sample]) -> Family:
    entry = contract_of(name)
    return Family(name, entry["type"], entry["help"], tuple(samples))


def exposition_lines(families: Iterable[Family]) -> Iterator[str]:
    """Lines of the Prometheus text format, version 0.0.4."""
    for family in families:
        yield f"# HELP {family.name} {_escape(family.help)}\n# TYPE {family.name} {family.type}\n"
        for sample in family.samples:
            labels = ",".join(f'{label}="{_escape(value, quote=True)}"' for label, value in sample.labels.items())
            value = "NaN" if math.isnan(sample.value) else f"{sample.value:g}"
            yield f"{family.name}{{{labels}}} {value}\n" if labels else f"{family.name} {value}\n"


def _escape(text: str, *, quote: bool = False) -> str:
    escaped = visible(text, keep="\n").replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if quote else escaped
