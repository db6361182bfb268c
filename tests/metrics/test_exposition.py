"""The exposition held to the contract: names, types, labels, every closed value, zeros included."""

import json
import re
from collections.abc import Callable, Iterable
from importlib.resources import files
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercensus.classify.census import classify
from layercensus.host.documents.document import parse_document
from layercensus.metrics.families import Family, Sample, exposition_lines, machine_families, merge_families
from layercensus.model import Census

CONTRACT: list[dict[str, Any]] = json.loads(
    files("layercensus").joinpath("data/contract/metrics.json").read_text(encoding="utf-8")
)["metrics"]
OF_A_MACHINE = {entry["name"]: entry for entry in CONTRACT if "optional" not in entry}
# Prometheus text format 0.0.4: a label value escapes backslash, quote and line end, and nothing else.
SAMPLE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)', re.ASCII)
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"', re.ASCII)
UNESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}

Judge = Callable[..., Census]
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

# Closed sets as the design (part 6, part 3) names them.
LAYERINGS = "not_applicable unknown packages overrides extensions clean".split()
VERDICTS = "extension kernel_type non_extension undetermined".split()
KINDS = "install install_local install_local_force remove replace_local replace_remote module".split()
NEEDS = "agent driver tool override other".split()
INFO = "release os_version kernel_type unlocked image_layered bootc_incompatible".split()


def parse_exposition(text: str) -> tuple[Samples, dict[str, str]]:
    """An independent reader: samples by name and labels, types by name."""
    samples: Samples = {}
    types: dict[str, str] = {}
    assert text.endswith("\n")
    for line in text.split("\n")[:-1]:
        if line.startswith("# TYPE "):
            name, kind = line.removeprefix("# TYPE ").split(" ")
            assert name not in types
            types[name] = kind
        elif not line.startswith("# HELP "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            labels = tuple(
                (name, re.sub(r'\\[\\"n]', lambda m: UNESCAPES[m[0]], value))
                for name, value in LABEL.findall(match[2] or "")
            )
            assert (match[1], labels) not in samples
            samples[match[1], labels] = float(match[3])
    return samples, types


def expose(families: Iterable[Family]) -> tuple[Samples, dict[str, str]]:
    return parse_exposition("".join(exposition_lines(families)))


def of(samples: Samples, name: str) -> dict[tuple[str, ...], float]:
    return {tuple(value for _, value in labels): value for (found, labels), value in samples.items() if found == name}


def test_the_contract_has_the_closed_sets_of_the_design() -> None:
    assert set(OF_A_MACHINE["layercensus_machine_layering"]["labels"]["layering"]) == set(LAYERINGS)
    assert set(OF_A_MACHINE["layercensus_changes"]["labels"]["verdict"]) == set(VERDICTS)
    assert set(OF_A_MACHINE["layercensus_changes"]["labels"]["kind"]) == set(KINDS)
    assert set(OF_A_MACHINE["layercensus_non_extension_need"]["labels"]["need"]) == set(NEEDS)
    assert set(OF_A_MACHINE["layercensus_staged_changes"]["labels"]["verdict"]) == set(VERDICTS)
    assert set(OF_A_MACHINE["layercensus_deployment_info"]["labels"]) == set(INFO)
    assert {entry["name"] for entry in CONTRACT} - set(OF_A_MACHINE) == {
        "layercensus_package_info",
        "layercensus_read_success",
        "layercensus_read_timestamp_seconds",
        "layercensus_read_duration_seconds",
        "layercensus_read_errors_total",
    }


@pytest.mark.parametrize("entry", CONTRACT, ids=lambda e: str(e["name"]))
def test_contract_entries_follow_the_naming_rules_of_prometheus(entry: dict[str, Any]) -> None:
    assert re.fullmatch(r"layercensus_[a-z_]+", entry["name"])
    assert (entry["type"] == "counter") == entry["name"].endswith("_total")
    assert entry["help"]
    assert entry["status"] in {"experimental", "stable", "deprecated"}
    assert entry["since"]


MACHINES: dict[str, dict[str, Any]] = {
    "clean": {},
    "packages": {"repo": ["htop", "usbguard"], "local": ["falcon-sensor-7.1-1.el9.x86_64"], "removed": ["git-core"]},
    "unknown": {"booted": False},
    "none said": {"version": None, "unlocked": None},
}


@pytest.mark.parametrize("keys", MACHINES.values(), ids=MACHINES)
def test_every_machine_exposes_the_whole_contract_and_nothing_else(keys: dict[str, Any], judge: Judge) -> None:
    samples, types = expose(machine_families(judge(**keys)))
    assert types == {name: entry["type"] for name, entry in OF_A_MACHINE.items()}
    for name, entry in OF_A_MACHINE.items():
        found = {labels for sample, labels in samples if sample == name}
        if name == "layercensus_deployment_info":
            (labels,) = found
            assert set(dict(labels)) == set(entry["labels"])
            for label, value in labels:
                assert re.fullmatch(entry["labels"][label]["pattern"].strip("^$"), value)
            continue
        closed = entry["labels"]
        expected = {frozenset(zip(closed, values, strict=True)) for values in product(*closed.values())}
        assert {frozenset(labels) for labels in found} == expected


def test_values_of_a_machine_counted_by_hand(judge: Judge) -> None:
    census = judge(
        repo=["htop", "usbguard"],
        inactive=["strace"],
        local=["falcon-sensor-7.1-1.el9.x86_64", "zsh-5.8-9.el9.x86_64"],
        removed=["git-core"],
    )
    samples, _ = expose(machine_families(census))
    assert of(samples, "layercensus_machine_layering") == {(name,): float(name == "packages") for name in LAYERINGS}
    changes = {key: value for key, value in of(samples, "layercensus_changes").items() if value}
    assert changes == {
        ("extension", "install"): 1,
        ("non_extension", "install"): 1,
        ("non_extension", "install_local"): 2,
        ("non_extension", "remove"): 1,
    }
    needs = {key for (key,), value in of(samples, "layercensus_non_extension_need").items() if value}
    assert needs == {"agent", "tool", "override"}  # falcon-sensor; htop and zsh; git-core removed
    assert set(of(samples, "layercensus_staged_changes").values()) == {0}
    assert of(samples, "layercensus_deployment_info") == {
        ("4.14", "414.92.202405282322-0", "default", "none", "false", "true"): 1
    }


def test_staged_changes_are_counted_apart(
    deployment: Callable[..., dict[str, Any]], status: Callable[..., str], census_of: Callable[..., Census]
) -> None:
    staged = deployment(booted=False, repo=["htop", "strace", "usbguard"], inactive=["vim"]) | {"staged": True}
    samples, _ = expose(machine_families(census_of(status(staged, deployment()))))
    assert of(samples, "layercensus_staged_changes") == {
        ("extension",): 1,
        ("kernel_type",): 0,
        ("non_extension",): 2,
        ("undetermined",): 0,
    }
    assert sum(of(samples, "layercensus_changes").values()) == 0


def test_an_unknown_machine_says_unknown_and_claims_nothing(census_of: Callable[..., Census]) -> None:
    samples, _ = expose(machine_families(census_of("error: Timeout was reached\n")))
    assert of(samples, "layercensus_machine_layering") == {(name,): float(name == "unknown") for name in LAYERINGS}
    assert of(samples, "layercensus_deployment_info") == {("",) * 6: 1}


def test_several_machines_carry_their_input(judge: Judge) -> None:
    merged = merge_families((name, machine_families(judge())) for name in ("a/one.json", "b/two.json"))
    samples, types = expose(merged)
    assert set(types) == set(OF_A_MACHINE)
    assert {dict(labels)["machine"] for _, labels in samples} == {"a/one.json", "b/two.json"}
    assert len(samples) == 2 * sum(1 for family in machine_families(judge()) for _ in family.samples)


@given(name=st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=30))
def test_any_visible_input_name_comes_back_whole_from_the_exposition(name: str, judge: Judge) -> None:
    samples, _ = expose(merge_families([(name, machine_families(judge()))]))
    assert {dict(labels)["machine"] for _, labels in samples} == {name}


@given(version=st.text(max_size=70))
def test_a_version_that_does_not_fit_the_contract_is_left_empty(version: str, judge: Judge) -> None:
    samples, _ = expose(machine_families(judge(version=version)))
    ((_, os_version, *_),) = of(samples, "layercensus_deployment_info")
    assert re.fullmatch(r"[A-Za-z0-9._+~-]{0,64}", os_version)
    assert os_version in {"", version}


def test_a_version_with_a_line_end_is_left_empty(judge: Judge) -> None:
    samples, _ = expose(machine_families(judge(version="414.92.202405282322-0\n")))
    ((_, os_version, *_),) = of(samples, "layercensus_deployment_info")
    assert os_version == ""


def test_help_and_values_are_escaped() -> None:
    family = Family("layercensus_x", "gauge", "a \\ and\na line", (Sample({"l": 'q"\\\n'}, 1.5), Sample({}, 3)))
    assert "".join(exposition_lines([family])) == (
        "# HELP layercensus_x a \\\\ and\\na line\n# TYPE layercensus_x gauge\n"
        'layercensus_x{l="q\\"\\\\\\n"} 1.5\nlayercensus_x 3\n'
    )


def test_what_is_not_known_is_no_zero() -> None:
    """Unknown is never zero: a machine that could not be read has no count of changes, not a count of nought."""
    (machine,) = parse_document('{"deployments": [', "cut.json")
    text = "".join(exposition_lines(machine_families(classify(machine))))
    counts = [line for line in text.splitlines() if line.startswith(("layercensus_changes", "layercensus_non_ext"))]
    assert counts
    assert all(line.endswith(" NaN") for line in counts)
    assert 'layercensus_machine_layering{layering="unknown"} 1' in text
