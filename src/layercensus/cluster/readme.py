"""The README that a rendered folder carries: what is sent and to whom, how to apply, verify and remove. Pure.

Its words are data: `data/rules/` for the rules alone, `data/kit/` for the agent's kit, `data/kit/files.json` for both.
"""

import re
from collections.abc import Mapping, Sequence

from layercensus.cluster.contract import Component, RecordedSeries, read_contract
from layercensus.cluster.kit import EXCLUDE_LABEL, Kit, Platform, default_image
from layercensus.cluster.releases import has_package_mode_workers
from layercensus.data import read_json, read_text

_PLACEHOLDER = re.compile(r"<<([a-z_]+)>>")
_NUMBERS = {3: "three", 10: "ten"}


def render_mcd_readme(release: str, files: Sequence[str], *, telemetry: bool) -> str:
    """README of a folder of rules alone, of mode mcd."""
    words = read_json("rules/readme.json")[Component.MCD]
    rows = [_file_row(name, "mcd", "oc", telemetry=telemetry) for name in files]
    values = {**_telemetry_values(Component.MCD, telemetry=telemetry), **words, "file_rows": "\n".join(rows)}
    return _filled("rules/readme.md", {**values, "release": release})


def render_kit_readme(kit: Kit, files: Sequence[str]) -> str:
    """README of a folder with the agent."""
    oc = "oc" if kit.platform is Platform.OPENSHIFT else "kubectl"
    rows = [_file_row(name, kit.platform, oc, telemetry=kit.telemetry) for name in files]
    package_mode = kit.release is not None and has_package_mode_workers(kit.release)
    values = {
        **_telemetry_values(Component.AGENT, telemetry=kit.telemetry),
        "file_rows": "\n".join(rows),
        "release": kit.release or "",
        "image": kit.image,
        "stateroot": kit.stateroot,
        "client_name": kit.client_name,
        "server_name": kit.server_name,
        "exclude_label": EXCLUDE_LABEL,
        "package_mode": read_text("kit/package_mode.md") if package_mode else "\n",
        "image_section": read_text(f"kit/image_{'built' if kit.image == default_image(kit.platform) else 'named'}.md"),
    }
    return _filled(f"kit/readme_{kit.platform}.md", values)


def file_meaning(name: str, platform: str, *, telemetry: bool) -> str:
    """What a file of a rendered folder is for. `platform`: one of `Platform`, or mcd for rules alone."""
    meaning = read_json("kit/files.json")["files"][name.rpartition("/")[2]]
    if isinstance(meaning, str):
        return meaning
    consent = "yes" if telemetry else "no"
    found: str = meaning[consent] if consent in meaning else meaning[platform]
    return found


def _telemetry_values(component: Component, *, telemetry: bool) -> dict[str, str]:
    contract = read_contract()
    series = [entry for entry in contract.recorded if entry.component is component]
    total = sum(entry.max_series for entry in series)
    consent = read_text(f"rules/consent_{'yes' if telemetry else 'no'}.md").strip()
    words = read_json("rules/readme.json")
    return {
        "withdraw": words["withdraw"][component],
        "target_down": words["target_down"][component],
        "consent": consent.replace("<<number>>", _NUMBERS.get(total, str(total))),
        "namespace": contract.namespace,
        "series_rows": "\n".join(_series_row(entry, telemetry=telemetry) for entry in series),
        "first_series": series[0].recorded_name(telemetry=telemetry),
        "federate_sentence": words["federate"]["yes" if telemetry else "no"],
    }


def _filled(file: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled, those that came in with a value too."""

    def fill(match: re.Match[str]) -> str:
        return _PLACEHOLDER.sub(fill, values[match[1]])

    return _PLACEHOLDER.sub(fill, read_text(file))


def _series_row(series: RecordedSeries, *, telemetry: bool) -> str:
    labels = "; ".join(f"`{name}`: {', '.join(values)}" for name, values in series.labels.items())
    return f"| `{series.recorded_name(telemetry=telemetry)}` | {labels} | {series.meaning} |"


def _file_row(name: str, platform: str, oc: str, *, telemetry: bool) -> str:
    meaning = file_meaning(name, platform, telemetry=telemetry)
    by_hand = f"Not applied; by hand: `{oc} apply -f {name}`" if _is_by_hand(name) else ""
    return f"| `{name}` | {'. '.join(part for part in (meaning, by_hand) if part)} |"


def _is_by_hand(name: str) -> bool:
    return name.startswith("optional/") and name.endswith(".yaml")
