"""The published contracts agree with the code: schema and model, catalogs and their shape, closed values."""

import json
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from layercensus import model
from layercensus.classify.catalog import known_releases, load_catalog, release_key
from layercensus.classify.census import classify
from layercensus.classify.rules import RULES
from layercensus.data import list_tree, read_json, read_text
from layercensus.host.documents.document import parse_document
from layercensus.lake.questions import question_names
from layercensus.metrics.census_json import machine_value
from layercensus.migrate import plan
from layercensus.migrate.planning import make_plans
from layercensus.migrate.render_json import format_plan_json

SCHEMA: dict[str, Any] = read_json("schemas/census-v1.schema.json")
CHANGE = SCHEMA["$defs"]["change"]["properties"]
MACHINE = SCHEMA["$defs"]["machine"]["properties"]


PLAN: dict[str, Any] = read_json("schemas/plan-v1.schema.json")
PLANNED = PLAN["$defs"]


def enum_of(schema: dict[str, Any]) -> set[str]:
    return {value for value in schema["enum"] if value is not None}


@pytest.mark.parametrize(
    ("schema", "values"),
    [
        (SCHEMA["$defs"]["layering"], model.Layering),
        (CHANGE["kind"], model.Kind),
        (CHANGE["form"], model.Form),
        (CHANGE["verdict"], model.Verdict),
        (CHANGE["need"], model.Need),
        (MACHINE["source"], model.Source),
        (MACHINE["kernel_type"], model.KernelType),
        (MACHINE["flags"]["properties"]["unlocked"], model.Unlocked),
        (PLANNED["machine"]["properties"]["image_mode"], plan.Answer),
        (PLANNED["change"]["properties"]["advice"], plan.Advice),
        (PLANNED["change"]["properties"]["kind"], model.Kind),
        (PLANNED["change"]["properties"]["verdict"], model.Verdict),
        (PLANNED["change"]["properties"]["need"], model.Need),
        (PLANNED["change"]["properties"]["traps"]["items"]["properties"]["trap"], plan.Trap),
        (PLANNED["pool"]["properties"]["way"], plan.Way),
    ],
)
def test_the_schema_lists_the_values_of_the_model(schema: dict[str, Any], values: type[StrEnum]) -> None:
    assert enum_of(schema) == {member.value for member in values}


@pytest.mark.parametrize("name", list_tree("demo"))
def test_a_census_is_valid_by_its_schema(name: str) -> None:
    for machine in parse_document(read_text(f"demo/{name}"), name):
        value = {"schema": "layercensus/census/v1", "machines": [machine_value(classify(machine))], "skipped": []}
        jsonschema.validate(json.loads(json.dumps(value)), SCHEMA)


@pytest.mark.parametrize("name", list_tree("demo"))
def test_a_plan_is_valid_by_its_schema(name: str) -> None:
    censuses = [classify(machine) for machine in parse_document(read_text(f"demo/{name}"), name)]
    for wishes in (plan.Wishes(), plan.Wishes(pool="worker", tech_preview=True, everything=True)):
        text = "".join(format_plan_json(make_plans(censuses, wishes), []))
        jsonschema.validate(json.loads(text), PLAN)


def test_the_schemas_are_schemas() -> None:
    for name in list_tree("schemas"):
        jsonschema.Draft202012Validator.check_schema(read_json(f"schemas/{name}"))


def test_every_release_from_4_6_to_5_2_has_a_catalog() -> None:
    minors = [f"4.{minor}" for minor in range(6, 24)] + ["5.0", "5.1", "5.2"]
    assert list(known_releases()) == sorted(minors, key=release_key)
    for release in minors:
        catalog = load_catalog(release, None, None)
        assert catalog.extensions
        assert catalog.base_removals
        assert set(catalog.extensions).isdisjoint(catalog.kernel_installs)


def test_every_need_comes_from_a_category_of_a_known_package() -> None:
    categories = {entry["category"] for entry in read_json("known_packages.json")["packages"]}
    needs = read_json("needs.json")["need_of_category"]
    assert set(needs) == categories, (
        "a category of known_packages.json has its need in needs.json, and no other has one"
    )
    assert set(needs.values()) <= {need.value for need in model.Need}


KNOWN_KEYS = {"package_glob", "vendor", "purpose", "category", "evidence", "source"}


def known_package_faults(known: dict[str, Any]) -> list[str]:
    """What is wrong with entries of known packages, and with their order: the first glob that matches is taken."""
    kinds, entries = set(known["_provenance"]["evidence"]), known["packages"]
    faults = []
    for entry in entries:
        name = entry.get("package_glob", entry)
        if unfit := (entry.keys() ^ KNOWN_KEYS) - {"image_mode_note"}:
            faults.append(f"{name}: missing or not known: {', '.join(sorted(unfit))}")
        elif not all(isinstance(value, str) and value for value in entry.values()):
            faults.append(f"{name}: a value is empty or no text")
        elif entry["evidence"] not in kinds:
            faults.append(f"{name}: evidence {entry['evidence']} is none that _provenance lists")
    globs = [entry["package_glob"] for entry in entries if "package_glob" in entry]
    for place, glob in enumerate(globs):
        before = globs[:place]
        if shorter := next((other for other in before if len(other) < len(glob)), None):
            faults.append(f"{glob}: longest glob first, so it stands before {shorter}")
        elif shadow := next((other for other in before if fnmatchcase(glob, other)), None):
            faults.append(f"{glob}: is never asked, since {shadow} stands before it and matches all that it does")
    return faults


def test_known_packages_are_whole_and_the_longest_glob_comes_first() -> None:
    assert known_package_faults(read_json("known_packages.json")) == []


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ([{"purpose": None}], "a*: missing or not known: purpose"),
        ([{"evidenec": "seen"}], "a*: missing or not known: evidenec"),
        ([{"source": ""}], "a*: a value is empty or no text"),
        ([{"evidence": "hearsay"}], "a*: evidence hearsay is none that _provenance lists"),
        ([{}, {"package_glob": "ab*"}], "ab*: longest glob first, so it stands before a*"),
        ([{}, {}], "a*: is never asked, since a* stands before it and matches all that it does"),
    ],
)
def test_an_entry_that_is_not_so_is_named(entries: list[dict[str, str | None]], fault: str) -> None:
    whole = dict.fromkeys(KNOWN_KEYS, "x") | {"package_glob": "a*", "evidence": "seen"}
    packages = [{key: value for key, value in (whole | entry).items() if value is not None} for entry in entries]
    assert known_package_faults({"_provenance": {"evidence": {"seen": "…"}}, "packages": packages}) == [fault]


def test_every_rule_has_an_id_of_its_own_that_begins_with_its_verdict() -> None:
    ids = [rule_id for rule_id, _ in RULES]
    assert len(ids) == len(set(ids))
    assert {rule_id.partition(".")[0] for rule_id in ids} == {verdict.value for verdict in model.Verdict}


def test_the_data_files_say_where_they_come_from() -> None:
    names = [name for name in list_tree(".") if "/" not in name and name.endswith(".json")]
    names += [f"migrate/{path}" for path in list_tree("migrate")]
    for name in [*names, *(f"catalogs/{path}" for path in list_tree("catalogs"))]:
        assert {"_meta", "_provenance"} & set(read_json(name)), name
    assert names


def test_every_question_has_a_case_counted_by_hand_and_every_case_a_question() -> None:
    questions = Path(__file__).parents[1] / "questions"
    cases = {file.parent.parent.name for file in questions.glob("*/*/case.json")}
    assert cases == set(question_names()), (
        "tests/questions/NAME/CASE/case.json; its form is in tests/questions/cases.py"
    )


def test_advice_is_about_known_packages_only() -> None:
    known = {entry["package_glob"]: entry for entry in read_json("known_packages.json")["packages"]}
    advice = read_json("migrate/advice.json")
    assert {entry["glob"] for entry in (*advice["of_package"], *advice["traps"])} <= set(known)
    assert {entry["advice"] for entry in (*advice["of_package"], *advice["of_category"].values())} <= {
        member.value for member in plan.Advice
    }
    assert set(advice["of_category"]) <= {entry["category"] for entry in known.values()}
    assert (
        {entry["trap"] for entry in advice["traps"]} == set(advice["trap_words"]) == {trap.value for trap in plan.Trap}
    )


def test_the_facts_of_a_plan_are_of_known_releases_oldest_first() -> None:
    facts = read_json("migrate/releases.json")
    for key in ("image_names", "on_cluster", "openshift_tools"):
        since = [entry["since"] for entry in facts[key]]
        assert set(since) <= set(known_releases())
        assert since == sorted(since, key=release_key)


@pytest.mark.parametrize(
    "name", [name for name in list_tree(".") if name.endswith(".json") and not name.startswith("demo/")]
)
def test_no_data_file_says_a_thing_twice(name: str) -> None:
    """Of two values under one key the reader takes the last, and nobody sees the first."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len(dict(pairs)) == len(pairs), sorted(key for key, _ in pairs)
        return dict(pairs)

    json.loads(read_text(name), object_pairs_hook=once)
