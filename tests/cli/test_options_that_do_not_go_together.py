"""An option that its command cannot heed is refused in one line, and never ignored without a word."""

from pathlib import Path

import pytest

from layercensus.cli import main

USAGE = 2
ID = "6f2a7f0e-0d3c-4b8e-9a51-2f1c7d9e4b60"


@pytest.mark.parametrize("shown", ["--preview", "--self-check"])
@pytest.mark.parametrize(
    "given",
    [
        ["--listen", "127.0.0.1:1"],
        ["--textfile", "x.prom"],
        ["--package-metrics"],
        ["--tls-cert", "x"],
        ["--tls-key", "x"],
        ["--client-ca", "x"],
        ["--client-cn", "x"],
    ],
)
def test_what_an_agent_shows_once_takes_no_option_of_serving(
    shown: str, given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agent", "--root", str(tmp_path), shown, *given]) == USAGE
    expected = (
        f"layercensus: {given[0]}: goes without {shown}, which serves and writes nothing; leave one of them out\n"
    )
    assert capsys.readouterr() == ("", expected)


@pytest.mark.parametrize("given", [["--days", "5"], ["--new-key"], ["--cluster-id", ID]])
def test_a_revocation_takes_no_option_of_issuing(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "--keys", str(tmp_path / "keys.json"), "--revoke", ID, *given]) == USAGE
    assert "--revoke: goes with no other option but --keys" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
