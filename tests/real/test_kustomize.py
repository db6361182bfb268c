"""A real kustomize, the one in Debian's kubectl, builds each rendered folder: what is applied is what we say."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[2]))
from tests.real.prometheus_server import require

from layercensus.cluster.manifests import render_agent, render_kubernetes, render_mcd
from layercensus.commands.folder import make_folder

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    "files",
    [
        render_agent("4.12", telemetry=False), render_agent("4.14", telemetry=True), render_agent("5.2", telemetry=False),
        render_kubernetes(), render_mcd("4.14", telemetry=True),
    ],
    ids=["4.12", "4.14 with telemetry", "5.2", "kubernetes", "mcd"],
)  # fmt: skip
def test_what_is_applied_is_every_object_but_the_optional_ones(files: Mapping[str, str], tmp_path: Path) -> None:
    kubectl = require("kubectl", "kubernetes-client")
    make_folder(tmp_path / "kit", files)
    done = subprocess.run([kubectl, "kustomize", str(tmp_path / "kit")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    ours = [
        one
        for name, text in files.items()
        if name.endswith(".yaml") and not name.startswith("optional/") and "kustomization" not in name
        for one in yaml.safe_load_all(text)
    ]

    def key(one: dict[str, Any]) -> tuple[str, str, str]:
        return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]

    assert {key(one): one for one in built} == {key(one): one for one in ours}
    assert len(built) == len(ours)
    # The namespace comes before what lies in it.
    assert built[0]["kind"] == "Namespace"
