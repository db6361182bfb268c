"""What `deploy/collector` holds is valid: objects by Kubernetes' own schemas, the unit by systemd itself."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from layercensus.options import parse_options

FOLDER = Path(__file__).parents[2] / "deploy" / "collector"


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("version", ["1.25", "1.31", "1.37"])
def test_every_object_is_valid(version: str) -> None:
    for one in documents():
        kubernetes_validate.validate(one, version, strict=True)


def test_the_pod_runs_a_command_that_there_is_without_privileges() -> None:
    (deployment,) = (one for one in documents() if one["kind"] == "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    options = parse_options(container["args"])
    assert (options.command, options.lake, options.name) == ("collect", "/lake/lake", "collector")
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    # What it writes to is a volume, and its end has time to drain.
    assert {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")} == {"/lake", "/tmp"}
    assert spec["terminationGracePeriodSeconds"] >= 30
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_the_unit_runs_a_command_that_there_is() -> None:
    text = (FOLDER / "layercensus-collector.service").read_text(encoding="utf-8")
    found = re.search(r"^ExecStart=((?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert found is not None
    _, *arguments = shlex.split(found[1].replace("\\\n", " "))
    assert parse_options(arguments).command == "collect"
    assert re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[1] >= "30"  # type: ignore[index]


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        reason = "THE UNIT WAS NOT CHECKED, missing: systemd-analyze (Debian package: systemd)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    # The program and its user are not on this machine: ones that are stand in for them.
    text = (FOLDER / "layercensus-collector.service").read_text(encoding="utf-8")
    unit = tmp_path / "layercensus-collector.service"
    unit.write_text(
        text.replace("/opt/layercensus/bin/layercensus", "/bin/true").replace("=layercensus\n", "=root\n", 2)
    )
    done = subprocess.run([str(program), "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
