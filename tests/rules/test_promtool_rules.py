"""Every rule of every release is checked by promtool, and evaluated in every situation of the files beside this one."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from layercensus.cluster.manifests import render_agent, render_mcd
from layercensus.cluster.releases import has_mcd_gauge, known_releases

Evaluate = Callable[..., None]

HERE = Path(__file__).parent
RELEASES = ("4.14", "4.18", "4.19", "4.21", "5.0")
LAYERING = "cluster:usage:local_layering_nodes:count"
NEED = "cluster:usage:local_layering_nodes_by_need:count"
DISAGREEMENT = "layercensus:mcd_disagreement_nodes:count"
MCD = "cluster:usage:mcd_unsupported_nodes:count"
# Functions and aggregations that Prometheus 2.39, which 4.12 runs, has; and words of its grammar.
PROMQL_2_39 = {
    "absent",
    "count",
    "group",
    "label_replace",
    "max",
    "min",
    "sum",
    "time",
    "and",
    "on",
    "or",
    "unless",
    "by",
}


def situations(file: str, releases: tuple[str, ...] = RELEASES) -> list[Any]:
    return [
        pytest.param(situation, release, id=f"{situation['name']}, {release}")
        for situation in yaml.safe_load((HERE / file).read_text())
        for release in situation.get("releases", releases)
    ]


def rule_files(files: Mapping[str, str], folder: Path, spec_of: Callable[[str], Any]) -> list[str]:
    names = [name for name in files if "prometheusrule" in name]
    for name in names:
        (folder / Path(name).name).write_text(yaml.safe_dump(spec_of(files[name])))
    return [Path(name).name for name in names]


def expression(series: str, expected: Mapping[str, int], label: str) -> dict[str, Any]:
    samples = [{"labels": f'{series}{{{label}="{key}"}}', "value": value} for key, value in expected.items()]
    return {"expr": series, "eval_time": "10m", "exp_samples": samples}


def total(series: str, coreos: int | None) -> dict[str, Any]:
    samples = [] if coreos is None else [{"labels": "{}", "value": coreos}]
    return {"expr": f"sum({series})", "eval_time": "10m", "exp_samples": samples}


@pytest.fixture
def evaluate(promtool: Any, spec_of: Any, input_series: Any, tmp_path: Path) -> Evaluate:
    """Load these manifests, play the situation, and let promtool compare."""

    def run(
        files: Mapping[str, str], situation: Any, release: str, checks: Mapping[str, Any], every: str = "1m"
    ) -> None:
        test = {"interval": every, "input_series": input_series(situation, release), **checks}
        rules = rule_files(files, tmp_path, spec_of)
        document = {"rule_files": rules, "evaluation_interval": every, "tests": [test]}
        (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
        result = promtool("test", "rules", str(tmp_path / "test.yaml"))
        assert result.returncode == 0, result.stdout + result.stderr

    return run


@pytest.mark.parametrize("telemetry", [True, False])
@pytest.mark.parametrize("release", known_releases())
def test_promtool_accepts_every_rule_of_every_release(
    release: str, telemetry: bool, promtool: Any, spec_of: Any, tmp_path: Path
) -> None:
    for render in (render_agent, render_mcd)[: 2 if has_mcd_gauge(release) else 1]:
        names = rule_files(render(release, telemetry), tmp_path, spec_of)
        result = promtool("check", "rules", "--lint=all", "--lint-fatal", *(str(tmp_path / name) for name in names))
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("release", known_releases())
def test_rules_use_nothing_newer_than_promql_of_the_oldest_release(release: str, spec_of: Any) -> None:
    for name, text in render_agent(release, telemetry=True).items():
        if "prometheusrule" in name:
            expressions = [rule["expr"] for group in spec_of(text)["groups"] for rule in group["rules"]]
            called = {
                word for expr in expressions for word in re.findall(r"([a-z_]+) ?\(", re.sub(r'"[^"]*"', "", expr))
            }
            assert called <= PROMQL_2_39


@pytest.mark.parametrize(("situation", "release"), situations("mcd.yaml"))
def test_mcd_rules_give_every_node_one_state(situation: Any, release: str, evaluate: Evaluate) -> None:
    checks = [expression(MCD, situation["expect"], "state"), total(MCD, situation.get("coreos"))]
    evaluate(render_mcd(release, telemetry=True), situation, release, {"promql_expr_test": checks})


@pytest.mark.parametrize(("situation", "release"), situations("agent.yaml", ("4.12", *RELEASES)))
def test_agent_rules_give_every_node_one_class(situation: Any, release: str, evaluate: Evaluate) -> None:
    expect = situation["expect"]
    checks = [expression(LAYERING, expect["layering"], "layering"), total(LAYERING, situation.get("coreos"))]
    if "need" in expect:
        checks.append(expression(NEED, expect["need"], "need"))
    if "found_by" in expect:
        found_by = expect["found_by"] if has_mcd_gauge(release) else {}
        checks.append(expression(DISAGREEMENT, found_by, "found_by"))
    facts = release if has_mcd_gauge(release) else "4.14"
    evaluate(render_agent(release, telemetry=True), situation, facts, {"promql_expr_test": checks})


@pytest.mark.parametrize(("situation", "release"), situations("upstream.yaml", ("4.21", "5.0")))
def test_lost_series_of_the_platform_are_recorded_again(situation: Any, release: str, evaluate: Evaluate) -> None:
    names = {
        "nodes": "cluster:mcd_nodes_with_unsupported_packages:count",
        "packages": "cluster:mcd_total_unsupported_packages:sum",
    }
    checks = []
    for key, series in names.items():
        samples = [{"labels": series, "value": situation["expect"][key]}] if key in situation["expect"] else []
        checks.append({"expr": series, "eval_time": "10m", "exp_samples": samples})
    evaluate(render_mcd(release, telemetry=True), situation, release, {"promql_expr_test": checks})


@pytest.mark.parametrize(("situation", "release"), situations("alerts.yaml"))
def test_alerts_fire_when_they_should_and_only_then(situation: Any, release: str, evaluate: Evaluate) -> None:
    files = dict((render_agent if situation["mode"] == "agent" else render_mcd)(release, telemetry=True))
    # The platform records the series itself here, or nobody does and the watchdog has to see it.
    files.pop("optional/prometheusrule-mcd-upstream.yaml", None)
    groups = [yaml.safe_load(text)["spec"]["groups"] for name, text in files.items() if "prometheusrule" in name]
    by_name = {rule["alert"]: rule for (group,) in groups for rule in group["rules"] if "alert" in rule}
    fired = {entry["alert"]: entry for entry in situation["fires"]}
    assert fired.keys() <= by_name.keys()
    checks = [
        {"alertname": name, "eval_time": "300m", "exp_alerts": [_expected(fired[name], rule)] if name in fired else []}
        for name, rule in by_name.items()
    ]
    evaluate(files, situation, release, {"alert_rule_test": checks}, every="5m")


def _expected(entry: Mapping[str, Any], rule: Mapping[str, Any]) -> dict[str, Any]:
    labels = {"severity": entry["severity"], "namespace": "layercensus", **entry.get("labels", {})}
    annotations = dict(rule["annotations"])
    if "says" in entry:
        annotations["description"] = entry["says"]
        return {"exp_labels": labels, "exp_annotations": annotations}
    return {"exp_labels": labels, "exp_annotations": _plain(annotations, labels)}


def _plain(annotations: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, str]:
    """Annotations whose template names nothing but the signal; others must be spelled out in the situation."""
    return {name: text.replace("{{ $labels.signal }}", labels.get("signal", "")) for name, text in annotations.items()}


def test_the_alerts_before_an_upgrade_name_a_page_that_is_there() -> None:
    rules = [rule for text in render_agent("4.14", telemetry=True).values() for rule in _alerts_of(text)]
    pages = {rule["alert"]: rule["annotations"].get("runbook") for rule in rules}
    named = {alert for alert, page in pages.items() if page}
    assert named == {"LayerCensusPackagesBeforeUpgrade", "LayerCensusOverridesBeforeUpgrade"}
    assert all((HERE.parents[1] / pages[alert]).is_file() for alert in named)
    assert all("runbook" not in rule["labels"] for rule in rules)


def _alerts_of(text: str) -> list[dict[str, Any]]:
    if "kind: PrometheusRule" not in text:
        return []
    groups = [group for document in yaml.safe_load_all(text) for group in document["spec"]["groups"]]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]
