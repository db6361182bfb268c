"""`layercensus manifests`: a folder of its own, made anew, and never over anyone else's files."""

from pathlib import Path
from typing import Any

import pytest

from layercensus.cli import main


def test_writes_the_folder_and_says_what_to_do_next(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "rules"
    assert main(["manifests", "--mode", "mcd", "--release", "4.14", "--output", str(folder)]) == 0
    assert f"oc apply -k {folder}" in capsys.readouterr().out
    assert (folder / "prometheusrule-mcd.yaml").exists()
    assert (folder / "optional" / "prometheusrule-alerts.yaml").exists()


def test_renders_again_into_its_own_folder_and_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    assert main(["manifests", "--release", "4.21", "--telemetry", "--output", str(folder)]) == 0
    assert main(["manifests", "--release", "4.14", "--telemetry", "--output", str(folder)]) == 0
    assert not (folder / "optional" / "prometheusrule-mcd-upstream.yaml").exists()
    assert (folder / "rules" / "prometheusrule-agent.yaml").exists()


@pytest.mark.parametrize(
    "other",
    [["--mode", "mcd", "--release", "4.14"], ["--release", "4.14", "--telemetry"], ["--platform", "kubernetes"]],
)
def test_does_not_render_over_what_another_rendering_would_be_needed_to_remove(
    other: list[str], tmp_path: Path, capsys: Any
) -> None:
    folder = tmp_path / "kit"
    assert main(["manifests", "--release", "4.14", "--output", str(folder)]) == 0
    assert main(["manifests", *other, "--output", str(folder)]) == 2
    assert "holds mode agent for openshift, without telemetry" in capsys.readouterr().err
    assert (folder / "scc.yaml").exists()


def test_leaves_a_foreign_folder_alone(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["manifests", "--mode", "mcd", "--release", "4.14", "--output", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert "another folder" in capsys.readouterr().err


@pytest.mark.parametrize(("release", "words"), [("4.13", "no gauge"), ("5.9", "from 4.12 to 5.2")])
def test_a_release_without_rules_is_wrong_usage(release: str, words: str, capsys: Any) -> None:
    assert main(["manifests", "--mode", "mcd", "--release", release]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_what_somebody_put_into_its_folder_or_changed_there_is_never_lost(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "kit"
    again = ["manifests", "--release", "4.15", "--output", str(folder)]
    assert main(["manifests", "--release", "4.14", "--output", str(folder)]) == 0
    mine, daemonset = folder / "rules" / "mine.yaml", folder / "daemonset.yaml"
    mine.write_text("mine")
    assert main(again) == 2
    assert f"{mine}: was not made by layercensus; move it away" in capsys.readouterr().err
    assert mine.read_text() == "mine"
    mine.unlink()
    before = daemonset.read_text()
    daemonset.write_text(f"{before}# by hand\n")
    assert main(again) == 2
    assert f"{daemonset}: was changed since layercensus made it; move it away" in capsys.readouterr().err
    assert daemonset.read_text().endswith("# by hand\n")
    daemonset.unlink()
    assert main(again) == 0
    assert daemonset.exists()


def test_a_folder_of_which_it_is_not_known_what_was_made_is_left_alone(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "kit"
    again = ["manifests", "--release", "4.14", "--output", str(folder)]
    assert main(again) == 0
    mark = folder / ".layercensus"
    mark.write_text(mark.read_text().partition("\n")[0])
    assert main(again) == 2
    assert f"{folder}: was made by an older layercensus" in capsys.readouterr().err
    assert (folder / "daemonset.yaml").exists()
