"""import, report and demo as a user runs them: one true stream from documents to a sentence."""

import csv
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from layercensus.cli import main
from layercensus.data import list_tree, read_json, read_text


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "layercensus", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, run("demo", cwd=folder)


def report(folder: Path, lake: str, *arguments: str) -> dict[str, Any]:
    done = run("report", "--lake", lake, "--format", "json", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_the_demo_ends_in_the_sentence_and_the_bare_path(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = demo
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    sentence, path = done.stdout.splitlines()[-2:]
    assert path == "layercensus-demo/report.html"
    assert (folder / path).exists()
    # Counted by hand in support/demo.py: 54 OpenShift machines, 2 of them unreadable, 7 with packages.
    for part in ("(of these captures)", "13.5 %", "52 CoreOS machines", "2 machines", "14 clusters", "13.0", "16.7 %"):
        assert part in sentence, part


def test_the_demo_has_what_it_promises() -> None:
    names = list_tree("demo")
    clusters = {name.partition("/")[0] for name in names}
    assert len(names) >= 24
    assert len(clusters) >= 12


def test_the_demo_can_be_run_again_and_spares_what_is_not_its_own(tmp_path: Path) -> None:
    assert run("demo", "mine", cwd=tmp_path).returncode == 0
    assert run("demo", "mine", cwd=tmp_path).returncode == 0
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")
    done = run("demo", "foreign", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert [path.name for path in foreign.iterdir()] == ["thesis.txt"]


def test_the_report_of_the_demo_is_the_hand_count(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    value = report(demo[0], "layercensus-demo/lake")
    jsonschema.validate(value, read_json("schemas/report-v1.schema.json"))
    headline = value["headline"]
    # By hand from support/demo.py; the package-mode worker is in no denominator.
    assert headline["machines"] == {
        "clean": 28,
        "extensions": 14,
        "overrides": 3,
        "packages": 7,
        "unknown": 2,
        "classified": 52,
        "total": 54,
    }
    assert headline["share"] == pytest.approx(7 / 52, abs=1e-12)
    assert headline["share_any"] == pytest.approx(10 / 52, abs=1e-12)
    assert headline["bounds"] == pytest.approx([7 / 54, 9 / 54], abs=1e-12)
    # falcon on two, debug tools on two, gpfs, qualys
    assert headline["clusters"]["reporting"] == 14
    assert headline["clusters"]["with_packages"] == 6
    assert value["signal"] == "capture"
    assert "captures" in value["population"]


def test_all_demo_numbers_are_in_every_format(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    for form in ("text", "html", "csv"):
        done = run("report", "--lake", "layercensus-demo/lake", "--format", form, "--by", "release", cwd=demo[0])
        assert done.returncode == 0, done.stderr
        assert "4.14" in done.stdout
        assert "4.19-4.21" in done.stdout


class Links(HTMLParser):
    """Every address that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.addresses += [value for name, value in attrs if name in {"src", "href", "action", "data"} and value]


def test_the_page_is_self_contained(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    page = (demo[0] / "layercensus-demo" / "report.html").read_text(encoding="utf-8")
    links = Links()
    links.feed(page)
    assert [address for address in links.addresses if not address.startswith(("#", "data:"))] == []
    assert "url(" not in page
    assert "@import" not in page


def test_no_lake_is_one_line_and_exit_1(tmp_path: Path) -> None:
    done = run("report", "--lake", "nowhere", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "import" in done.stderr


def test_importing_nothing_is_one_line_and_exit_1(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("import", "empty", "--lake", "lake", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "lake").exists()


def write_machine(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(read_text(f"demo/{name}"), encoding="utf-8")


def test_a_cluster_is_a_folder_or_the_id_that_is_given(tmp_path: Path) -> None:
    write_machine(tmp_path / "captures" / "east" / "a.json", "osprey/master-0.json")
    write_machine(tmp_path / "captures" / "east" / "b.json", "osprey/worker-1.json")
    write_machine(tmp_path / "captures" / "west" / "a.json", "osprey/master-0.json")
    assert run("import", "captures", "--lake", "two", cwd=tmp_path).returncode == 0
    assert report(tmp_path, "two")["headline"]["clusters"]["reporting"] == 2
    one_id = "0b5c2c3a-4b6c-4d7e-8f90-a1b2c3d4e5f6"
    assert run("import", "captures", "--lake", "one", "--cluster-id", one_id, cwd=tmp_path).returncode == 0
    assert report(tmp_path, "one")["headline"]["clusters"]["reporting"] == 1


def test_importing_again_counts_nothing_twice(tmp_path: Path) -> None:
    write_machine(tmp_path / "captures" / "east" / "a.json", "osprey/worker-1.json")
    for _ in range(2):
        assert run("import", "captures", "--lake", "lake", cwd=tmp_path).returncode == 0
    assert report(tmp_path, "lake")["headline"]["machines"]["total"] == 1
    # The cluster's own folder is the same cluster.
    assert run("import", "captures/east", "--lake", "lake", cwd=tmp_path).returncode == 0
    assert report(tmp_path, "lake")["headline"]["clusters"]["reporting"] == 1


def test_two_folders_of_one_name_are_not_merged_in_silence(tmp_path: Path) -> None:
    write_machine(tmp_path / "x" / "nodes" / "a.json", "osprey/worker-1.json")
    write_machine(tmp_path / "y" / "nodes" / "a.json", "osprey/worker-1.json")
    done = run("import", "x/nodes", "y/nodes", "--lake", "lake", cwd=tmp_path)
    assert done.returncode == 2
    assert "--cluster-id" in done.stderr
    assert not (tmp_path / "lake").exists()


def test_a_machine_that_could_not_be_read_counts_in_the_bounds(tmp_path: Path) -> None:
    write_machine(tmp_path / "captures" / "east" / "a.json", "osprey/master-0.json")
    (tmp_path / "captures" / "east" / "b.json").write_text("")
    (tmp_path / "captures" / "east" / "c.json").write_text('{"deployments": [')
    done = run("import", "captures", "--lake", "lake", cwd=tmp_path)
    assert done.returncode == 1
    headline = report(tmp_path, "lake")["headline"]
    assert headline["machines"]["unknown"] == 2
    assert headline["bounds"] == pytest.approx([0, 2 / 3])


def test_other_systems_never_join_an_openshift_share(tmp_path: Path) -> None:
    write_machine(tmp_path / "captures" / "east" / "a.json", "osprey/master-0.json")
    silverblue = {
        "deployments": [
            {
                "booted": True,
                "origin": "fedora:fedora/42/x86_64/silverblue",
                "osname": "fedora",
                "version": "42.20250701.0",
                "packages": ["htop"],
                "requested-packages": ["htop"],
            }
        ]
    }
    (tmp_path / "captures" / "east" / "b.json").write_text(json.dumps(silverblue))
    done = run("import", "captures", "--lake", "lake", cwd=tmp_path)
    assert "left out: 1 machine not of OpenShift\n" in done.stdout
    assert report(tmp_path, "lake")["headline"]["machines"]["total"] == 1


def test_a_bad_day_or_cluster_id_is_wrong_usage(tmp_path: Path) -> None:
    for arguments in (
        ["report", "--lake", "x", "--as-of", "yesterday"],
        ["import", "x", "--lake", "x", "--cluster-id", "mine"],
        ["report"],
        ["inspect", "--release", "four"],
        ["frobnicate"],
    ):
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 2, arguments
        assert done.stderr.count("\n") == 1, done.stderr


def test_an_output_file_is_replaced_whole_or_not_at_all(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder = demo[0]
    assert run("report", "--lake", "layercensus-demo/lake", "-o", "answer.txt", cwd=folder).returncode == 0
    before = (folder / "answer.txt").read_text(encoding="utf-8")
    assert "13.5 %" in before
    assert run("report", "--lake", "nowhere", "-o", "answer.txt", cwd=folder).returncode == 1
    assert (folder / "answer.txt").read_text(encoding="utf-8") == before
    done = run("report", "--lake", "layercensus-demo/lake", "-o", "no/such/folder/answer.txt", cwd=folder)
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1


def test_a_cluster_of_several_releases_says_so_and_has_the_release_of_the_most(tmp_path: Path) -> None:
    for number in range(2):
        write_machine(tmp_path / "captures" / "east" / f"{number}.json", "osprey/master-0.json")
    write_machine(tmp_path / "captures" / "east" / "old.json", "bluejay/master-0.json")
    write_machine(tmp_path / "captures" / "west" / "new.json", "osprey/master-0.json")
    write_machine(tmp_path / "captures" / "west" / "old.json", "bluejay/master-0.json")
    done = run("import", "captures", "--lake", "lake", cwd=tmp_path)
    assert "several releases in captures/east: 1 of 4.12, 2 of 4.14; the cluster counts as 4.14" in done.stdout
    assert "several releases in captures/west: 1 of 4.12, 1 of 4.14; the cluster counts as of no known" in done.stdout
    value = report(tmp_path, "lake")
    assert {group["key"]: group["machines"]["total"] for group in value["by"]["release"]} == {"4.14": 3, "unknown": 2}
    assert value["quality"]["unknown_release"] == 1


def test_importing_over_a_row_says_that_it_was_replaced(tmp_path: Path) -> None:
    write_machine(tmp_path / "captures" / "east" / "a.json", "osprey/worker-1.json")
    assert "replaced" not in run("import", "captures", "--lake", "lake", cwd=tmp_path).stdout
    assert "replaced: 1 cluster " in run("import", "captures", "--lake", "lake", cwd=tmp_path).stdout


def test_a_missing_path_is_said_to_be_missing(tmp_path: Path) -> None:
    done = run("import", "nope", "--lake", "lake", cwd=tmp_path)
    assert done.returncode == 1
    assert "nope: does not exist" in done.stderr


@pytest.mark.parametrize("command", ["import", "inspect", "plan"])
def test_every_command_says_the_same_of_a_path_where_nothing_is(command: str, tmp_path: Path) -> None:
    """For `import` that is all, and no lake is made: a cluster without one of its machines would be a wrong row."""
    write_machine(tmp_path / "captures" / "east" / "a.json", "osprey/worker-1.json")
    lake = ["--lake", "lake"] if command == "import" else []
    done = run(command, "nope", "captures", *lake, cwd=tmp_path)
    first, _, more = done.stderr.partition("\n")
    assert (done.returncode, first) == (1, "layercensus: nope: does not exist; check the path")
    assert ("nope: does not exist" in more) is (command == "plan")  # why it ends with 1
    assert ("a.json" in done.stdout) is (command != "import")
    assert not (tmp_path / "lake").exists()


def test_a_release_that_does_not_hold_is_said(tmp_path: Path) -> None:
    write_machine(tmp_path / "captures" / "east" / "a.json", "osprey/master-0.json")  # says 4.14
    write_machine(tmp_path / "captures" / "east" / "b.json", "osprey/worker-1.json")  # so does this
    silent = '{"deployments": [{"booted": true, "osname": "rhcos", "packages": [], "requested-packages": []}]}'
    (tmp_path / "captures" / "east" / "c.json").write_text(silent, encoding="utf-8")
    done = run("import", "captures", "--lake", "lake", "--release", "4.14", cwd=tmp_path)
    assert "--release" not in done.stdout
    done = run("import", "captures", "--lake", "lake", "--release", "4.99", cwd=tmp_path)
    assert "--release 4.99: 2 machines say another release, which was taken\n" in done.stdout
    assert "--release 4.99: has no catalog; 1 machine was judged by 5.0, the nearest\n" in done.stdout


def test_the_root_of_a_host_is_not_imported(tmp_path: Path) -> None:
    done = run("import", "/", "--lake", "lake", cwd=tmp_path)
    assert done.returncode == 2
    assert "/ is a host, not a folder of captures; name the folder that they are in" in done.stderr
    assert not (tmp_path / "lake").exists()


def test_files_that_count_as_unknown_are_named_the_first_ten(tmp_path: Path) -> None:
    write_machine(tmp_path / "captures" / "east" / "a.json", "osprey/master-0.json")
    for number in range(12):
        (tmp_path / "captures" / "east" / f"empty-{number:02}.json").write_text("", encoding="utf-8")
    (tmp_path / "captures" / "east" / "b.json").write_text("Permission denied\n", encoding="utf-8")
    done = run("import", "captures", "--lake", "lake", cwd=tmp_path)
    assert done.returncode == 1
    assert "14 machines (1 clean, 13 unknown)" in done.stdout
    lines = done.stderr.splitlines()
    assert lines[0].startswith("layercensus: captures/east/b.json: counts as unknown: the command that was to ask")
    assert lines[1] == "layercensus: captures/east/empty-00.json: counts as unknown: is empty"
    assert lines[9] == "layercensus: captures/east/empty-08.json: counts as unknown: is empty"
    assert lines[10:] == ["layercensus: and 3 more that count as unknown; inspect names all"]


def test_what_is_no_capture_counts_as_no_machine(tmp_path: Path) -> None:
    """A census of ours has the words of a status in it; an import of it was an unknown machine more."""
    east = tmp_path / "captures" / "east"
    write_machine(east / "a.json", "osprey/worker-1.json")
    (east / ".gitkeep").write_text("", encoding="utf-8")
    (east / "census.json").write_text(run("inspect", "captures", "--format", "json", cwd=tmp_path).stdout)
    assert '"requested-packages"' in (east / "census.json").read_text(encoding="utf-8")
    assert run("import", "captures", "--lake", "captures/lake", cwd=tmp_path).returncode == 0
    done = run("import", "captures", "--lake", "captures/lake", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 cluster, 1 machine (1 packages)" in done.stdout
    assert "left out: 3 files without a host document\n" in done.stdout  # .gitkeep, census.json, the lake


@pytest.mark.parametrize("command", ["import", "inspect", "plan"])
def test_a_lake_is_no_folder_of_captures(command: str, tmp_path: Path) -> None:
    write_machine(tmp_path / "captures" / "east" / "a.json", "osprey/worker-1.json")
    assert run("import", "captures", "--lake", "lake", cwd=tmp_path).returncode == 0
    done = run(command, "lake", *(["--lake", "other"] if command == "import" else []), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "lake: is a lake, not a folder of captures; give the folder of captures" in done.stderr
    assert not (tmp_path / "other").exists()


def test_the_folder_one_stands_in_has_a_name(tmp_path: Path) -> None:
    write_machine(tmp_path / "captures" / "east" / "a.json", "osprey/worker-1.json")
    assert run("import", "captures", "--lake", "lake", cwd=tmp_path).returncode == 0
    assert run("import", ".", "--lake", "../../lake", cwd=tmp_path / "captures" / "east").returncode == 0
    assert report(tmp_path, "lake")["headline"]["clusters"]["reporting"] == 1


def test_a_capture_that_holds_only_the_error_of_oc_is_a_machine_that_could_not_be_read(tmp_path: Path) -> None:
    write_machine(tmp_path / "captures" / "east" / "a.json", "osprey/master-0.json")
    (tmp_path / "captures" / "east" / "b.json").write_text('Error from server (NotFound): nodes "b" not found\n')
    assert run("import", "captures", "--lake", "lake", cwd=tmp_path).returncode == 1
    assert report(tmp_path, "lake")["headline"]["machines"]["unknown"] == 1


def test_without_the_libraries_of_the_report_one_line_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['duckdb'] = None; from layercensus.cli import main; sys.exit(main(['report', '--lake', 'x']))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install '.[report]'" in done.stderr


def test_csv_on_standard_output_is_csv(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    done = run("report", "--lake", "layercensus-demo/lake", "--format", "csv", cwd=demo[0])
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert rows[0]["machines_total"] == "54"
    assert float(rows[0]["effective_machines"]) > 0


def add_member(archive: tarfile.TarFile, name: str, text: str) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(text.encode())
    archive.addfile(member, io.BytesIO(text.encode()))


def write_sosreport(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        member = f"sosreport-{path.stem}/sos_commands/rpmostree/rpm-ostree_status_--json"
        add_member(archive, member, read_text(f"demo/{name}"))


def test_a_folder_of_sosreports_is_one_cluster(tmp_path: Path) -> None:
    write_sosreport(tmp_path / "captures" / "east" / "a.tar.gz", "osprey/master-0.json")
    write_sosreport(tmp_path / "captures" / "east" / "b.tar.gz", "osprey/worker-1.json")
    with tarfile.open(tmp_path / "captures" / "east" / "a.tar.gz") as archive:
        archive.extractall(tmp_path / "captures" / "east" / "unpacked", filter="data")
    assert run("import", "captures", "--lake", "lake", cwd=tmp_path).returncode == 0
    headline = report(tmp_path, "lake")["headline"]
    assert headline["machines"]["total"] == 3
    # The unpacked one lies a folder deeper, so it is another cluster's; members of a bundle never are.
    assert headline["clusters"]["reporting"] == 2


@pytest.mark.parametrize("path", ["captures", "captures/east/two.tar"])
def test_what_is_missing_of_a_cut_archive_is_unknown_however_it_is_named(tmp_path: Path, path: str) -> None:
    status = read_text("demo/osprey/worker-1.json")
    whole = tmp_path / "captures" / "east" / "two.tar"
    whole.parent.mkdir(parents=True)
    with tarfile.open(whole, "w") as archive:
        for host in ("a", "b"):
            add_member(archive, f"sosreport-{host}/sos_commands/rpmostree/rpm-ostree_status_--json", status)
    content = whole.read_bytes()
    # The second status is cut in the middle: one machine was read, one not, and what else there was nobody knows.
    whole.write_bytes(content[: content.index(b"sosreport-b/") + 512 + len(status) // 2])
    assert run("import", path, "--lake", "lake", cwd=tmp_path).returncode == 1
    machines = report(tmp_path, "lake")["headline"]["machines"]
    assert (machines["total"] - machines["unknown"], machines["unknown"]) == (1, 2)


def test_a_folder_that_cannot_be_listed_is_unknown_and_an_empty_one_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_machine(tmp_path / "east" / "a.json", "osprey/worker-1.json")
    for name in ("closed", "empty"):
        (tmp_path / name).mkdir()
    listed = os.scandir

    def scandir(folder: str | Path = ".") -> object:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.chdir(tmp_path)
    assert main(["import", "east", "empty", "--lake", "without"]) == 1  # an empty input, which is no machine
    assert main(["import", "east", "closed", "--lake", "lake"]) == 1
    assert "closed: counts as unknown: is a folder that cannot be listed" in capsys.readouterr().err
    assert report(tmp_path, "lake")["headline"]["machines"]["unknown"] == 1


def test_a_cluster_of_which_nothing_could_be_read_is_a_cluster(tmp_path: Path) -> None:
    write_machine(tmp_path / "captures" / "east" / "a.json", "osprey/worker-1.json")
    (tmp_path / "captures" / "west").mkdir()
    (tmp_path / "captures" / "west" / "b.json").write_text("")
    assert run("import", "captures", "--lake", "lake", cwd=tmp_path).returncode == 1
    headline = report(tmp_path, "lake")["headline"]
    assert (headline["machines"]["total"], headline["machines"]["unknown"]) == (2, 1)
    assert headline["clusters"]["reporting"] == 2


def test_a_node_in_two_captures_is_one_machine(tmp_path: Path) -> None:
    for name in ("monday", "tuesday"):
        path = tmp_path / "captures" / "east" / f"{name}.tar.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:gz") as archive:
            folder = "sosreport-worker-1"
            add_member(
                archive,
                f"{folder}/sos_commands/rpmostree/rpm-ostree_status_--json",
                read_text("demo/osprey/worker-1.json"),
            )
            add_member(archive, f"{folder}/etc/hostname", "worker-1\n")
    done = run("import", "captures", "--lake", "lake", cwd=tmp_path)
    assert "seen again in captures/east: 1 machine, counted once" in done.stdout
    assert report(tmp_path, "lake")["headline"]["machines"]["total"] == 1


def test_a_need_of_an_unknown_machine_is_in_no_numerator(
    tmp_path: Path, deployment: Callable[..., dict[str, Any]], status: Callable[..., str]
) -> None:
    """Invariant 6 of the design: numerator and denominator are of the same machines; and so do the rules of a cluster."""
    machines: dict[str, dict[str, Any]] = {
        "a": {},
        "b": {"removed": ["git-core"]},
        "c": {"removed": ["git-core"], "repo": ["/usr/bin/virsh"]},  # overrides, and what a path brought in is not said
    }
    east = tmp_path / "captures" / "east"
    east.mkdir(parents=True)
    for name, keys in machines.items():
        (east / f"{name}.json").write_text(status(deployment(**keys)), encoding="utf-8")
    assert run("import", "captures", "--lake", "lake", cwd=tmp_path).returncode == 1
    (override,) = (group for group in report(tmp_path, "lake")["by"]["need"] if group["key"] == "override")
    assert (override["machines"], override["share"]) == (1, 0.5)  # b, of a and b
    assert override["bounds"] == [pytest.approx(1 / 3), pytest.approx(2 / 3)]
