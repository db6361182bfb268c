"""A census as JSON, held to its schema and to the sample of the design, and as a table of 80 columns."""

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from layercensus.classify.census import classify
from layercensus.metrics.census_json import format_census_json
from layercensus.metrics.census_table import format_census_table
from layercensus.model import Census, Machine, Readability, Skipped

SCHEMA_FILE = files("layercensus").joinpath("data/schemas/census-v1.schema.json")
Judge = Callable[..., Census]

# The keys of the design, part 5; a document may have more, never fewer.
MACHINE_KEYS = (
    "input source layering release kernel_type node roles pool cluster_id observed_at os deployment changes "
    "dependencies staged flags problems"
).split()
CHANGE_KEYS = (
    "kind form requested name nevra replaces repository from active verdict rule extension managed category need vendor"
).split()
FLAGS = {"unlocked", "live_applied", "initramfs", "image_layered", "bootc_incompatible"}

LONG = [f"third-party-agent-with-a-long-name-{n}-1.0-1.el9.x86_64" for n in range(12)]
CASES: dict[str, dict[str, Any]] = {
    "clean": {},
    "everything": {
        "repo": ["htop", "usbguard", "/usr/bin/virsh", "kernel-rt-core"],
        "inactive": ["strace"],
        "local": LONG,
        "forced": ["rpmfusion-free-release-9-1.noarch"],
        "removed": ["git-core", "kernel-core"],
        "replaced": [("nano-7-1.el9.x86_64", "nano-6-1.el9.x86_64")],
        "remote": [("baseos", "vim-minimal-2:8.2-2.el9.x86_64", "vim-minimal-2:8.2-1.el9.x86_64")],
        "requested_modules": ["cri-o:1.22"],
        "modules": ["cri-o:1.22"],
        "unlocked": "hotfix",
        "live_replaced": "d" * 64,
        "regenerate_initramfs": True,
    },
    "many extensions": {
        "repo": [
            "krb5-workstation",
            "libkadm5",
            "kernel-devel",
            "kernel-headers",
            "kata-containers",
            "libreswan",
            "NetworkManager-libreswan",
            "crun-wasm",
        ]
    },
    "many inactive": {"inactive": [f"package-that-is-in-the-base-{n}" for n in range(20)]},
    "none booted": {"booted": False},
    "no version": {"version": None, "repo": ["sysstat"]},
    "shared version": {"version": "9.6.20250916-0"},
    "outside openshift": {
        "osname": "fedora-coreos",
        "origin": "fedora:fedora/x86_64/coreos/stable",
        "version": "38.1.1",
        "container_image_reference": None,
    },
}


@pytest.fixture(scope="module")
def censuses(
    judge: Judge,
    deployment: Callable[..., dict[str, Any]],
    status: Callable[..., str],
    census_of: Callable[..., Census],
) -> list[Census]:
    staged = deployment(booted=False, repo=[f"package-number-{n}" for n in range(15)]) | {"staged": True}
    unreadable = classify(Machine("missing.json", None, Readability.UNKNOWN, problems=("does not exist",)))
    return [*(judge(**keys) for keys in CASES.values()), census_of(status(staged, deployment())), unreadable]


def as_json(censuses: list[Census], skipped: list[Skipped]) -> Any:
    return json.loads("".join(format_census_json(iter(censuses), skipped)))


def test_json_is_valid_by_the_published_schema(censuses: list[Census]) -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    document = as_json(censuses, [Skipped("dir/notes.txt", "is no host document")])
    errors = [error.message for error in Draft202012Validator(schema).iter_errors(document)]
    assert errors == []
    assert document["schema"] == "layercensus/census/v1"
    assert document["skipped"] == [{"input": "dir/notes.txt", "reason": "is no host document"}]


def test_json_has_every_key_of_the_design(censuses: list[Census]) -> None:
    for machine in as_json(censuses, [])["machines"]:
        assert set(MACHINE_KEYS) <= set(machine)
        assert set(machine["os"]) == {"id", "variant", "version", "arch"}
        assert set(machine["flags"]) == FLAGS
        for change in [*machine["changes"], *(machine["staged"] or {"changes": []})["changes"]]:
            assert set(CHANGE_KEYS) <= set(change)


def test_json_of_no_machine_is_a_document_too() -> None:
    assert as_json([], []) == {"schema": "layercensus/census/v1", "machines": [], "skipped": []}


def test_json_of_a_change_is_the_sample_of_the_design(judge: Judge) -> None:
    (machine,) = as_json([judge(repo=["htop"])], [])["machines"]
    (change,) = machine["changes"]
    rule = change.pop("rule")
    assert change == {
        "kind": "install",
        "form": "name",
        "requested": "htop",
        "name": "htop",
        "nevra": None,
        "replaces": None,
        "repository": None,
        "from": "requested-packages",
        "active": True,
        "verdict": "non_extension",
        "extension": None,
        "managed": None,
        "category": "debug-tool",
        "need": "tool",
        "vendor": None,
    }
    assert rule == "non_extension.package"
    assert machine["release"] == "4.14"
    assert machine["dependencies"] is None
    assert machine["staged"] is None


def test_what_an_unreadable_machine_could_not_know_is_null(censuses: list[Census]) -> None:
    machine = as_json(censuses[-1:], [])["machines"][0]
    assert (machine["layering"], machine["deployment"], machine["source"]) == ("unknown", None, None)
    assert set(machine["flags"].values()) == {None}
    assert machine["problems"] == ["does not exist"]


def over_80(text: str) -> list[str]:
    """Lines over 80 columns that have no word which must make them so (24 columns may stand before a word)."""
    return [line for line in text.split("\n") if len(line) > 80 and max(map(len, line.split())) <= 80 - 27]


def test_table_is_readable_at_80_columns(censuses: list[Census]) -> None:
    text = "".join(
        format_census_table(iter(censuses), [Skipped("a/folder/with/notes.txt", "is no host document that " * 6)])
    )
    assert over_80(text) == []


def test_table_names_every_machine_its_layering_and_what_is_no_extension(censuses: list[Census]) -> None:
    text = "".join(format_census_table(iter(censuses), []))
    for name in (
        *LONG,
        "htop",
        "/usr/bin/virsh",
        "git-core",
        "nano-7-1.el9.x86_64",
        "vim-minimal",
        "cri-o:1.22",
        "strace",
    ):
        assert name in text
    for census in censuses:
        assert census.machine.input in text
        assert census.booted.layering in text
    for word in ("hotfix", "does not exist", f"{len(censuses)} machines"):
        assert word in text


def test_table_of_a_long_input_keeps_it_whole(judge: Judge, deployment: Callable[..., dict[str, Any]]) -> None:
    assert deployment()
    census = judge()
    name = "very/" * 30 + "long.json"
    renamed = Census(
        Machine(name, census.machine.source, Readability.READ, census.machine.booted, os=census.machine.os),
        census.booted,
        None,
    )
    assert name in "".join(format_census_table([renamed], []))
