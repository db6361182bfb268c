"""The README that a rendered folder carries: what is sent and to whom, how to apply, verify and remove. Pure.

Its words are data: `data/rules/readme.md`, `readme.json`, `consent_yes.md`, `consent_no.md`.
"""

import re
from collections.abc import Sequence

from layercensus.cluster.contract import Component, RecordedSeries, read_contract
from layercensus.data import read_json, read_text

_PLACEHOLDER = re.compile(r"<<([a-z_]+)>>")
_NUMBERS = {3: "three", 10: "ten"}


def render_readme(component: Component, release: str, files: Sequence[str], *, telemetry: bool) -> str:
    """README of a folder with these files. `component` is agent or mcd."""
    contract = read_contract()
    words = read_json("rules/readme.json")
    series = [entry for entry in contract.recorded if entry.component is component]
    total = sum(entry.max_series for entry in series)
    number = _NUMBERS.get(total, str(total))
    consent = read_text(f"rules/consent_{'yes' if telemetry else 'no'}.md").strip()
    values = {
        "release": release,
        "title": words[component]["title"],
        "purpose": words[component]["purpose"],
        "sum_sentence": words[component]["sum_sentence"],
        "consent": consent.replace("<<number>>", number),
        "namespace": contract.namespace,
        "series_rows": "\n".join(_series_row(entry, telemetry=telemetry) for entry in series),
        "file_rows": "\n".join(_file_row(name, telemetry=telemetry) for name in files),
        "first_series": series[0].recorded_name(telemetry=telemetry),
        "federate_sentence": words["federate"]["yes" if telemetry else "no"],
    }
    return _PLACEHOLDER.sub(lambda match: values[match[1]], read_text("rules/readme.md"))


def _series_row(series: RecordedSeries, *, telemetry: bool) -> str:
    labels = "; ".join(f"`{name}`: {', '.join(values)}" for name, values in series.labels.items())
    return f"| `{series.recorded_name(telemetry=telemetry)}` | {labels} | {series.meaning} |"


def _file_row(name: str, *, telemetry: bool) -> str:
    meaning = read_json("rules/readme.json")["files"][name.rpartition("/")[2]]
    if isinstance(meaning, dict):
        meaning = meaning["yes" if telemetry else "no"]
    by_hand = f"Not applied; by hand: `oc apply -f {name}`" if name.startswith("optional/") else ""
    return f"| `{name}` | {'. '.join(part for part in (meaning, by_hand) if part)} |"
