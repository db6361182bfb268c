"""Whatever is done to a document: no crash, always a machine, and never a cleaner answer than the whole one gives."""

import json
import random
from collections.abc import Callable
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from layercensus.classify.census import classify
from layercensus.host.documents.document import parse_document
from layercensus.model import Census, Layering

Deployment = Callable[..., dict[str, Any]]
Status = Callable[..., str]

TEXT = """\
State: idle
Deployments:
  ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:57864105c9e7c669662415f395b0d6ef
                   Digest: sha256:57864105c9e7c669662415f395b0d6ef9b5ba1007bf2685ec041902d9cc33514
                  Version: 418.94.202410211616-0 (2024-10-21T16:20:41Z)
          LayeredPackages: usbguard

● ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:57864105c9e7c669662415f395b0d6ef
                   Digest: sha256:57864105c9e7c669662415f395b0d6ef9b5ba1007bf2685ec041902d9cc33514
                  Version: 418.94.202410211616-0 (2024-10-21T16:20:41Z)
      RemovedBasePackages: git-core 2.39.3-1.el9_2
          LayeredPackages: cowsay htop strace
            LocalPackages: zsh-5.8-9.el9.x86_64 falcon-sensor-7.14.0-16703.el9.x86_64
                           zabbix-agent-6.0.1-1.el9.x86_64

  ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:57864105c9e7c669662415f395b0d6ef
                   Digest: sha256:57864105c9e7c669662415f395b0d6ef9b5ba1007bf2685ec041902d9cc33514
                  Version: 418.94.202410211616-0 (2024-10-21T16:20:41Z)
"""
WITHOUT_A_MARK = TEXT.replace("●", "*")
REPO = ["cowsay", "gcc-c++", "libreswan-4.6-3.el9_0.3", "usbguard", "libc.so.6()(64bit)"]
LOCAL = ["zsh-5.8-9.el9.x86_64", "podman-5:4.5.1-1.el9.x86_64"]
REMOVED = ["git-core", "kernel-core", "kernel"]
RESURRECTING = st.sampled_from(
    ["State: idle\n", "Deployments:\n", "● x\n", "error: ", "{", "}", "[", '"', "'", "\n", "\x00", ">"]
)


def layerings(text: str) -> list[Layering]:
    machines = list(parse_document(text, "x"))
    assert machines
    return [classify(machine).booted.layering for machine in machines]


@given(st.text(max_size=300))
def test_any_text_yields_a_machine(text: str) -> None:
    assert layerings(text)


@given(st.lists(st.sampled_from(TEXT.splitlines(keepends=True)), max_size=25), st.randoms(use_true_random=False))
def test_any_lines_of_a_status_in_any_order_yield_a_machine(lines: list[str], dice: random.Random) -> None:
    dice.shuffle(lines)
    assert layerings("".join(lines))


@settings(max_examples=300)
@given(data=st.data())
def test_a_mutated_document_yields_a_machine(data: st.DataObject, deployment: Deployment, status: Status) -> None:
    text = data.draw(
        st.sampled_from([TEXT, WITHOUT_A_MARK, status(deployment(repo=REPO, local=LOCAL), deployment(booted=False))])
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = min(len(text), at + data.draw(st.integers(0, 200)))
        how = data.draw(st.sampled_from(["truncate", "behead", "delete", "duplicate", "insert"]))
        if how == "truncate":
            text = text[:at]
        elif how == "behead":
            text = text[at:]
        elif how == "delete":
            text = text[:at] + text[end:]
        elif how == "duplicate":
            text = text[:end] + text[at:end] + text[end:]
        else:
            text = text[:at] + data.draw(st.one_of(st.text(max_size=5), RESURRECTING)) + text[at:]
    assert layerings(text)


@settings(max_examples=300)
@given(st.binary(max_size=8), st.integers(0, len(TEXT.encode())), st.integers(0, 30))
def test_mutated_bytes_yield_a_machine(garbage: bytes, at: int, deleted: int) -> None:
    content = TEXT.encode()
    assert layerings((content[:at] + garbage + content[at + deleted :]).decode(errors="replace"))


@given(data=st.data())
def test_json_cut_anywhere_is_unknown(data: st.DataObject, deployment: Deployment, status: Status) -> None:
    indent = data.draw(st.sampled_from([None, 2]))
    entries = [deployment(repo=REPO), deployment(booted=False)]
    text = status(*entries, indent=indent).rstrip()
    at = data.draw(st.integers(0, len(text) - 1))
    assert set(layerings(text[:at])) == {Layering.UNKNOWN}


def test_json_cut_at_every_place_is_unknown(deployment: Deployment, status: Status) -> None:
    text = status(deployment(), indent=1).rstrip()
    wrong = [at for at in range(len(text)) if set(layerings(text[:at])) != {Layering.UNKNOWN}]
    assert wrong == []


def test_json_that_lost_its_head_is_unknown(deployment: Deployment, status: Status) -> None:
    text = status(deployment(), deployment(booted=False), indent=2)
    wrong = [at for at in range(1, len(text), 3) if set(layerings(text[at:])) != {Layering.UNKNOWN}]
    assert wrong == []


def cuts_inside_lines(text: str, start: int, end: int) -> list[int]:
    """Places between two signs of a line that are no blanks before them: a cut at a line's end shows nothing."""
    return [
        at
        for at in range(start, end)
        if text[at - 1] != "\n" and text[at] != "\n" and text[text.rfind("\n", 0, at) + 1 : at].strip()
    ]


def test_text_cut_inside_a_line_of_the_booted_block_is_never_clean_nor_less_than_it_shows() -> None:
    for text in (TEXT, WITHOUT_A_MARK):
        start = next(at for at, sign in enumerate(text) if sign in "●*")
        end = text.index("\n\n", start)
        for at in cuts_inside_lines(text, start, end):
            (layering,) = layerings(text[:at])
            assert layering in {Layering.UNKNOWN, Layering.PACKAGES}, text[:at][-80:]


@given(
    repo=st.permutations(REPO),
    local=st.permutations(LOCAL),
    removed=st.permutations(REMOVED),
    dice=st.randoms(use_true_random=False),
)
def test_the_order_of_keys_and_list_entries_decides_nothing(
    *,
    repo: list[str],
    local: list[str],
    removed: list[str],
    dice: random.Random,
    deployment: Deployment,
    status: Status,
) -> None:
    def answer(entry: dict[str, Any]) -> tuple[object, ...]:
        (machine,) = parse_document(status(entry), "x")
        census = classify(machine)
        return census.booted.layering, census.booted.kernel_type, facts(census), census.booted.release

    entry = deployment(repo=REPO, local=LOCAL, removed=REMOVED)
    other = deployment(repo=repo, local=local, removed=removed)
    keys = list(other)
    dice.shuffle(keys)
    shuffled = {key: other[key] for key in keys}
    dice.shuffle(shuffled["requested-packages"])
    assert answer(shuffled) == answer(entry)


def facts(census: Census) -> frozenset[tuple[object, ...]]:
    return frozenset(
        (j.change.kind, j.change.requested, j.change.active, j.judgement.verdict, j.judgement.rule)
        for j in census.booted.changes
    )


REPOSITORIES = ["updates", "copr:copr.fedorainfracloud.org:a:b"]
NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9+-]{0,12}[a-z]", fullmatch=True), unique=True, max_size=4)


@given(
    repo=NAMES,
    removals=NAMES,
    remote=st.lists(st.tuples(st.sampled_from(REPOSITORIES), st.sampled_from("xy")), max_size=3),
)
def test_requests_that_are_not_in_effect_leave_a_machine_clean(
    *,
    repo: list[str],
    removals: list[str],
    remote: list[tuple[str, str]],
    deployment: Deployment,
    census_of: Callable[..., Census],
    status: Status,
) -> None:
    entry = deployment(
        inactive=repo,
        inactive_removals=removals,
        inactive_remote=remote,
        inactive_replacements=[f"{name}-1-1.el9.x86_64" for name in repo],
    )
    census = census_of(status(entry))
    assert census.booted.layering is Layering.CLEAN
    assert all(judged.change.active is False for judged in census.booted.changes)
    assert {judged.change.name for judged in census.booted.changes} == {*repo, *removals, *(name for _, name in remote)}


@given(package=st.sampled_from(REPO), staged=st.booleans())
def test_what_is_staged_or_rolled_back_never_decides(
    package: str, staged: bool, deployment: Deployment, status: Status, census_of: Callable[..., Census]
) -> None:
    other = deployment(booted=False, repo=[package]) | {"staged": staged}
    both = (other, deployment()) if staged else (deployment(), other)
    assert census_of(status(*both)).booted.layering is Layering.CLEAN


JSON_VALUES: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(value=JSON_VALUES, data=st.data())
def test_any_value_under_any_key_is_read_or_unknown_and_never_less_than_before(
    value: object, data: st.DataObject, deployment: Deployment
) -> None:
    """A package in effect stays one, unless the machine becomes unknown or the key that listed it was overwritten."""
    entry = deployment(local=["zsh-5.8-9.el9.x86_64"])
    key = data.draw(st.sampled_from(sorted(entry)))
    assume(key not in {"requested-local-packages", "booted"})
    text = json.dumps({"deployments": [entry | {key: value}]})
    # Of another OS or release the package is none of an extension either.
    assert set(layerings(text)) <= {Layering.PACKAGES, Layering.UNKNOWN}
