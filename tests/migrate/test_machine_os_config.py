"""MachineOSConfig against its published schema, for each release that has one; withheld where it cannot be made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from layercensus.migrate.plan import PoolPlan, Way, Wishes
from layercensus.migrate.planning import make_plans
from layercensus.migrate.yaml_lines import format_yaml
from layercensus.model import Census

Judge = Callable[..., Census]
CRDS = Path(__file__).parents[3] / "shared" / "facts" / "crds"
# Release -> the CRD of its branch, or of the newest before it.
SCHEMAS = {
    "4.16": "4.16-techpreview", "4.17": "4.16-techpreview", "4.18": "4.18-techpreview", "4.19": "4.19", "4.20": "4.20",
    "4.21": "main", "4.22": "main", "4.23": "main", "5.0": "main", "5.1": "main", "5.2": "main",
}  # fmt: skip
VERSIONS = {"4.16": "416.94.202406172220-0", "4.17": "417.94.202411050937-0", "4.18": "418.94.202508060022-0"}
KINDS: dict[str, Any] = {"repo": ["autofs", "tree"], "removed": ["git-core"]}


def plan_of(census: Census, **wishes: Any) -> PoolPlan:
    given: dict[str, Any] = {"pool": "worker", "tech_preview": True} | wishes
    (plan,) = make_plans([census], Wishes(**given))
    return plan


def of_release(judge: Judge, release: str, **keys: Any) -> Census:
    return judge(version=VERSIONS.get(release, "9.6.20251015-1"), release=release, **keys)


def withheld(plan: PoolPlan) -> str:
    return next(part.why for part in plan.withheld if part.what == "MachineOSConfig")


@pytest.mark.skipif(not CRDS.is_dir(), reason="the published schemas are not beside the checkout")
@pytest.mark.parametrize("release", SCHEMAS)
@pytest.mark.parametrize(
    "keys", [KINDS, {"repo": ["usbguard"]}, {"local": ["agent-1-1.x86_64"]}], ids=["every", "mco", "local"]
)
def test_it_is_valid_by_the_schema_of_its_release(judge: Judge, release: str, keys: dict[str, Any]) -> None:
    plan = plan_of(of_release(judge, release, **keys), rpm_image="registry.example.com/rpms:1")
    found = yaml.safe_load(plan.machine_os_config or "")
    crd = yaml.safe_load((CRDS / f"machineosconfig-{SCHEMAS[release]}.yaml").read_text(encoding="utf-8"))
    (version,) = crd["spec"]["versions"]
    assert found["apiVersion"] == f"{crd['spec']['group']}/{version['name']}"
    assert found["kind"] == crd["spec"]["names"]["kind"]
    schema = closed(version["schema"]["openAPIV3Schema"])
    jsonschema.Draft202012Validator(schema).validate(found)
    # A rule of the CRD of main that no JSON schema can hold.
    assert found["metadata"]["name"] == found["spec"]["machineConfigPool"]["name"]


def closed(schema: Any) -> Any:
    """The schema, refusing fields that it does not know, as an API server prunes them."""
    if isinstance(schema, dict):
        inner = {key: closed(value) for key, value in schema.items()}
        return inner | {"additionalProperties": False} if schema.get("properties") else inner
    return [closed(item) for item in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("release", ["4.16", "4.17", "4.18"])
def test_before_it_is_generally_available_the_plan_builds_outside_the_cluster(judge: Judge, release: str) -> None:
    plan = plan_of(of_release(judge, release, **KINDS), tech_preview=False)
    assert (plan.way, plan.machine_os_config) == (Way.OFF_CLUSTER, None)
    assert plan.containerfile
    assert "--allow-tech-preview" in withheld(plan)
    assert "upgrades" in withheld(plan)


def test_a_preview_says_what_it_costs(judge: Judge) -> None:
    plan = plan_of(of_release(judge, "4.17", **KINDS))
    assert plan.way is Way.ON_CLUSTER_PREVIEW
    assert any("TechPreviewNoUpgrade" in step.why and "never be taken back" in step.why for step in plan.steps)


def test_a_release_without_it_says_so(judge: Judge) -> None:
    assert "4.14 has none; it is generally available from 4.19" in withheld(plan_of(judge(repo=["autofs"])))


def test_local_rpms_need_an_image_to_come_from(judge: Judge) -> None:
    local = of_release(judge, "4.20", local=["agent-1-1.x86_64"])
    without, with_image = plan_of(local), plan_of(local, rpm_image="registry.example.com/rpms:1")
    assert "--rpm-image" in withheld(without)
    assert without.way is Way.OFF_CLUSTER
    content = yaml.safe_load(with_image.machine_os_config or "")["spec"]["containerFile"][0]["content"]
    assert (
        "COPY --from=registry.example.com/rpms:1 /rpms/agent-1-1.x86_64.rpm /tmp/layercensus/" in content.splitlines()
    )


def test_a_pool_that_nobody_named_has_none(judge: Judge) -> None:
    assert "--pool" in withheld(plan_of(of_release(judge, "4.20", **KINDS), pool=None))


def test_what_is_the_operators_alone_is_built_without_a_containerfile_of_ours(judge: Judge) -> None:
    plan = plan_of(of_release(judge, "4.20", repo=["usbguard"]))
    assert "containerFile" not in yaml.safe_load(plan.machine_os_config or "")["spec"]


def test_a_containerfile_that_is_too_long_loses_its_comments_and_then_is_withheld(judge: Judge) -> None:
    agents = [f"NessusAgent{number}-10.4.0-es9.x86_64" for number in range(12)]
    image = {"rpm_image": "registry.example.com/rpms:1"}
    plan = plan_of(of_release(judge, "4.20", local=agents), **image)
    content = yaml.safe_load(plan.machine_os_config or "")["spec"]["containerFile"][0]["content"]
    assert len(content) <= 4096
    assert "TRAP" not in content
    many = [f"package-{number}" for number in range(400)]
    assert "more than one may hold" in withheld(plan_of(of_release(judge, "4.20", repo=many)))


def test_names_of_the_administrator_are_taken(judge: Judge) -> None:
    wishes = {"push_to": "registry.example.com/os:1", "push_secret": "mine"}
    plan = plan_of(of_release(judge, "4.20", **KINDS), **wishes)
    spec = yaml.safe_load(plan.machine_os_config or "")["spec"]
    assert spec["renderedImagePushSpec"] == "registry.example.com/os:1"
    assert spec["renderedImagePushSecret"] == {"name": "mine"}
    assert not any("imagestream" in command for step in plan.steps for command in step.commands)


@pytest.mark.parametrize(
    "text", ["a: b", "yes", "1", "\n", "a\n\nb", "é", "#", "a\n b", " a\nb", "a \nb", "{{x}}", "\x00", "-", "|-"]
)
def test_any_value_comes_back_from_yaml_as_it_was(text: str) -> None:
    value: dict[str, Any] = {"one": text, "two": {"three": [{"four": text}, {"five": "x"}], "six": text}}
    assert yaml.safe_load(format_yaml(value)) == value
