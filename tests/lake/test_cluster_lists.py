"""Lists in CSV: what is good is taken as it stands, and what is not is one error that names file and line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from layercensus.errors import Fault, LakeError
from layercensus.lake.cluster_lists import (
    Account,
    ListedCluster,
    Margins,
    read_accounts,
    read_known_clusters,
    read_margins,
)

A, B, C = (f"00000000-0000-4000-8000-00000000000{letter}" for letter in "abc")
Read = Callable[[Path], object]
READERS: dict[str, Read] = {"accounts": read_accounts, "known": read_known_clusters, "margins": read_margins}
# The first line of a good file of each kind, and the second.
GOOD = {
    "accounts": ("cluster_id,account,internal,class", f"{A},acme,no,customer"),
    "known": ("cluster_id,machines", f"{A},12"),
    "margins": ("release,platform,class,clusters", "4.14,AWS,customer,1200"),
}


def written(folder: Path, content: str | bytes) -> Path:
    file = folder / "list.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def error_of(kind: str, folder: Path, content: str | bytes) -> str:
    """The error of a file, in one line without what would hide or turn it."""
    file = written(folder, content)
    with pytest.raises(LakeError) as caught:
        READERS[kind](file)
    assert caught.value.fault is Fault.INPUT
    text = str(caught.value)
    assert text.startswith(str(file))
    assert "\n" not in text
    assert len(text) < len(str(file)) + 250
    return text.removeprefix(str(file))


def test_accounts_are_taken_as_they_stand(tmp_path: Path) -> None:
    file = written(
        tmp_path, f"cluster_id,account,internal,class\n{A},acme,no,customer\n{B.upper()}, größe ,YES,\n{C},,,\n"
    )
    assert read_accounts(file) == [
        Account(A, "acme", is_internal=False, account_class="customer"),
        Account(B, "größe", is_internal=True, account_class=None),
        Account(C, None, is_internal=False, account_class=None),
    ]


@pytest.mark.parametrize(
    ("said", "meant"),
    [("", False), ("no", False), ("No", False), ("false", False), ("0", False), ("yes", True), ("TRUE", True), ("1", True)],
)  # fmt: skip
def test_yes_and_no(tmp_path: Path, said: str, meant: bool) -> None:
    (account,) = read_accounts(written(tmp_path, f"cluster_id,account,internal\n{A},acme,{said}\n"))
    assert account.is_internal is meant


def test_known_clusters_are_taken_as_they_stand(tmp_path: Path) -> None:
    file = written(tmp_path, f"machines,cluster_id\n12,{A}\n,{B}\n0,{C}\n")
    assert read_known_clusters(file) == [ListedCluster(A, 12), ListedCluster(B, None), ListedCluster(C, 0)]
    assert read_known_clusters(written(tmp_path, f"cluster_id\n{A}\n")) == [ListedCluster(A, None)]


def test_margins_are_of_the_columns_that_are_there(tmp_path: Path) -> None:
    file = written(tmp_path, "clusters,platform,release\n1200,AWS,4.14\n7,,4.16\n0,AWS,\n")
    expected: dict[tuple[str, ...], int] = {("4.14", "AWS"): 1200, ("4.16", "unknown"): 7, ("unknown", "AWS"): 0}
    assert read_margins(file) == Margins(("release", "platform"), expected)
    assert read_margins(written(tmp_path, "class,clusters\ncustomer,3\n")) == Margins(("class",), {("customer",): 3})


@pytest.mark.parametrize("kind", READERS)
def test_however_a_spreadsheet_saves_it(tmp_path: Path, kind: str) -> None:
    """With a mark of byte order, with line ends of Windows or an old Macintosh, with blank lines, quoted, spaced."""
    head, line = GOOD[kind]
    expected = READERS[kind](written(tmp_path, f"{head}\n{line}\n"))
    quoted = ",".join(f'" {cell} "' for cell in line.split(","))
    for content in (
        f"{head}\n{line}",
        f"\ufeff{head}\r\n{line}\r\n",
        f"{head}\r{line}\r",
        f"{head.upper()}\n\n  \n{'':,<3}\n{line}\n\n" if kind != "known" else f"{head}\n\n ,\n{line}\n\n",
        f"{head.replace(',', ' , ')}\n{quoted}\n",
    ):
        assert READERS[kind](written(tmp_path, content)) == expected, content


def test_a_quoted_comma_or_line_end_is_part_of_the_name(tmp_path: Path) -> None:
    file = written(tmp_path, f'cluster_id,account\n{A},"acme, ""inc"""\n{B},"two\nlines"\n{C},\'\n')
    assert [one.account for one in read_accounts(file)] == ['acme, "inc"', "two\nlines", "'"]


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(lambda _head, _line: "", "line 1: names no column", id="empty"),
        pytest.param(lambda head, line: f"\n{head}\n{line}\n", "line 1: names no column", id="blank first line"),
        pytest.param(lambda _head, line: f"{line}\n", "line 1: names no column", id="no head"),
        pytest.param(lambda head, line: f"{head},owner\n{line},me\n", "line 1: 'owner' is no column", id="unknown column"),
        pytest.param(lambda head, line: f"{head},\n{line},\n", "line 1: '' is no column", id="column without a name"),
        pytest.param(
            lambda head, line: f"{head},{head.split(',')[0]}\n{line},\n", "is no column, or is one twice", id="column twice"
        ),
        pytest.param(
            lambda head, line: f"{head}\n{line}\n".replace(",", ";"), "line 1: names no column", id="semicolons"
        ),
        pytest.param(lambda head, line: f"{head}\n{line}\n\n{line}\n", "line 4: ", id="twice"),
        pytest.param(lambda head, line: f"{head}\n{line},\n", "line 2: has ", id="a value more"),
        pytest.param(lambda head, line: f"{head}\n{line.rpartition(',')[0]}\n", "line 2: has ", id="a value less"),
        pytest.param(lambda head, line: f'{head}\n{line}\n"{line}\n\n', "line 4: is no CSV", id="unclosed quote"),
        pytest.param(lambda head, line: f'{head}\n"{line}"x\n', "line 2: is no CSV", id="text after a quote"),
        pytest.param(lambda head, line: f"{head}\n{line}{'x' * 1_000_000}\n", "line 2: is no CSV", id="a cell of 1 MB"),
        pytest.param(lambda head, line: f"{head}\n{line}\0\n", "line 2: has a NUL", id="NUL"),
        pytest.param(lambda head, line: f"{head}\n{line}\n".encode("utf-16"), "line 1: is no text in UTF-8", id="UTF-16"),
        pytest.param(lambda head, line: f"{head}\n{line}\n".encode("utf-16-le"), "line 1: has a NUL", id="UTF-16 unmarked"),
        pytest.param(lambda head, line: f"{head}\n{line}\xe9\n".encode("latin-1"), "line 2: is no text in UTF-8", id="Latin 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_one_error_with_its_line(
    tmp_path: Path, kind: str, spoil: Callable[[str, str], str | bytes], words: str
) -> None:
    assert words in error_of(kind, tmp_path, spoil(*GOOD[kind]))


@pytest.mark.parametrize(
    "text", ["", "acme", A[:-1], f"{A}0", f"{{{A}}}", A.replace("-", ""), A.replace("0", "٠"), f"urn:uuid:{A}", "g" * 36]
)  # fmt: skip
@pytest.mark.parametrize("kind", ["accounts", "known"])
def test_what_is_no_cluster_id(tmp_path: Path, kind: str, text: str) -> None:
    head, line = GOOD[kind]
    spoiled = line.replace(A, text)
    assert error_of(kind, tmp_path, f"{head}\n{line.replace(A, B)}\n{spoiled}\n").endswith(
        "is no cluster id; it should be a UUID"
    )


def test_a_cluster_is_the_same_in_capitals(tmp_path: Path) -> None:
    found = error_of("known", tmp_path, f"cluster_id\n{A}\n{A.upper()}\n")
    assert found == f", line 3: {A} stands there a second time"


@pytest.mark.parametrize("said", ["maybe", "2", "y", "nein", "ｙｅｓ"])
def test_what_is_neither_yes_nor_no(tmp_path: Path, said: str) -> None:
    found = error_of("accounts", tmp_path, f"cluster_id,account,internal\n{A},acme,{said}\n")
    assert found == f", line 2: internal is {said!r}; write yes or no"


@pytest.mark.parametrize(
    "said", ["-1", "+1", "1.0", "1e3", "0x10", "1_000", "1 000", "１２", "٣", "²", "1000000001", "9" * 5000, "many"]
)
@pytest.mark.parametrize("kind", ["known", "margins"])
def test_what_is_no_count(tmp_path: Path, kind: str, said: str) -> None:
    head, line = GOOD[kind]
    found = error_of(kind, tmp_path, f"{head}\n{line.rpartition(',')[0]},{said}\n")
    assert found.startswith(", line 2: ")
    assert found.endswith("which is no count")


def test_a_margin_must_be_said(tmp_path: Path) -> None:
    """Of a known cluster the number of machines may be left open; how many there are of a kind may not."""
    assert "clusters is '', which is no count" in error_of("margins", tmp_path, "release,clusters\n4.14,\n")
    assert error_of("margins", tmp_path, "release,clusters\n4.14,0\n").endswith("has no cluster")
    assert error_of("margins", tmp_path, "release,clusters\n").endswith("has no cluster")
    assert "says of no kind" in error_of("margins", tmp_path, "clusters\n3\n")


def test_hostile_text_is_made_visible(tmp_path: Path) -> None:
    found = error_of("known", tmp_path, "cluster_id\n\u202eexe\x1b[31m\u2028\n")
    assert found == ", line 2: '<U+202E>exe<U+001B>[31m' is no cluster id; it should be a UUID"
    found = error_of("margins", tmp_path, "release,\u202e\x07\n")
    assert "names no column clusters" in found
    found = error_of("margins", tmp_path, "release,clusters,\u202e\x07\n")
    assert "line 1: '<U+202E><U+0007>' is no column" in found


@pytest.mark.parametrize("kind", READERS)
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    for file, why in ((tmp_path, "Is a directory"), (tmp_path / "none.csv", "No such file or directory")):
        with pytest.raises(LakeError) as caught:
            READERS[kind](file)
        assert str(caught.value) == f"{file}: cannot be read: {why}; check the path"
        assert caught.value.fault is Fault.HOST


def test_a_long_list_is_whole(tmp_path: Path) -> None:
    lines = [f"00000000-0000-4000-8000-{number:012x},{number}" for number in range(20_000)]
    found = read_known_clusters(written(tmp_path, "\n".join(["cluster_id,machines", *lines])))
    assert [one.machines for one in found] == list(range(20_000))
