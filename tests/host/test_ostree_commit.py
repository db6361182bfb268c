"""A commit's metadata: what each layer version has, and types that nobody expects."""

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercensus.host.live.gvariant import GVariantError, Variant
from layercensus.host.live.ostree_commit import (
    Commit,
    CommitError,
    layer_facts,
    package_list,
    package_set,
    parse_commit,
    parse_folder,
)
from layercensus.host.nevra import Nevra

YES = Variant("b", b"\x01", "little")
# ['htop', 'jq']: the texts, then where each ends.
PATTERNS = Variant("as", b"htop\0jq\0\x05\x08", "little")
NOTHING = {
    "rpmostree.removed-base-packages": Variant("av", b"", "little"),
    "rpmostree.replaced-base-packages": Variant("a(vv)", b"", "little"),
    "rpmostree.replaced-base-remote-packages": Variant("a{sv}", b"", "little"),
}


def version(number: int) -> Variant:
    return Variant("u", number.to_bytes(4, "little"), "little")


def layered(**metadata: Variant) -> Commit:
    return Commit("c" * 64, {"rpmostree.clientlayer": YES, **metadata}, None, "d" * 64)


def test_a_commit_without_the_mark_is_no_client_layer() -> None:
    facts = layer_facts(Commit("c" * 64, {"version": Variant("s", b"1\0", "little")}, None, "d" * 64))
    assert (facts.client_layer, facts.packages) == (False, ())


@pytest.mark.parametrize("number", [1, 2, 4, 6, 7])
def test_the_patterns_of_each_layer_version(number: int) -> None:
    facts = layer_facts(
        layered(**{"rpmostree.clientlayer_version": version(number), "rpmostree.packages": PATTERNS, **NOTHING})
    )
    assert (facts.client_layer, facts.packages) == (True, ("htop", "jq"))


def test_before_version_one_the_patterns_were_in_a_spec() -> None:
    # {'packages': <['jq']>}: key padded to eight, value, its type, end of the key, end of the entry.
    spec = b"packages\0" + b"\0" * 7 + b"jq\0\x03\0as\x09" + b"\x18"
    facts = layer_facts(Commit("c" * 64, {"rpmostree.spec": Variant("a{sv}", spec, "little")}, None, "d" * 64))
    assert (facts.client_layer, facts.packages) == (True, ("jq",))


@pytest.mark.parametrize(
    ("number", "lacking"),
    [(1, "rpmostree.packages"), (2, "rpmostree.removed-base-packages"), (2, "rpmostree.replaced-base-packages"),
     (6, "rpmostree.replaced-base-remote-packages")],
)  # fmt: skip
def test_a_layer_without_what_its_version_has_is_no_empty_layer(number: int, lacking: str) -> None:
    metadata = {"rpmostree.clientlayer_version": version(number), "rpmostree.packages": PATTERNS, **NOTHING}
    del metadata[lacking]
    with pytest.raises(CommitError, match=lacking):
        layer_facts(layered(**metadata))


def test_a_package_list_counts_the_epoch_as_text_and_public_keys_not() -> None:
    rows = [("podman", "5", "4.5.1", "1.el9", "x86_64"), ("gpg-pubkey", "0", "1", "1", "x86_64")]
    assert package_set(rows) == {Nevra("podman", "4.5.1", "1.el9", epoch=5, arch="x86_64")}
    assert package_list(layered()) is None


@pytest.mark.parametrize(
    "row",
    [(), ("a",), ("a", "x", "1", "1", "x"), ("a", "0" * 5000, "1", "1", "x"), ("a", 0, "1", "1", "x"), "abcde", None],
)
def test_a_package_that_is_none_is_an_error(row: object) -> None:
    with pytest.raises(CommitError):
        package_set([row])


def test_an_object_that_is_not_its_name_is_an_error() -> None:
    for parse in (lambda: parse_commit(b"x", "0" * 64, byte_order="little"), lambda: parse_folder(b"x", "0" * 64)):
        with pytest.raises(CommitError, match="cut or altered"):
            parse()


KEYS = [
    "rpmostree.clientlayer", "rpmostree.clientlayer_version", "rpmostree.packages", "rpmostree.modules",
    "rpmostree.spec", "rpmostree.rpmdb.pkglist", "version", *NOTHING,
]  # fmt: skip
SIGNATURES = ["b", "u", "s", "as", "av", "a(vv)", "a{sv}", "a{ss}", "a{uv}", "a(sssss)", "v", "ay", "()", "(sstsss)"]
VALUES = st.builds(Variant, st.sampled_from(SIGNATURES), st.binary(max_size=24), st.just("little"))


@given(st.dictionaries(st.sampled_from(KEYS), VALUES), st.booleans())
def test_metadata_of_any_type_is_read_or_refused(metadata: dict[str, Variant], marked: bool) -> None:
    odd = Commit("c" * 64, metadata | ({"rpmostree.clientlayer": YES} if marked else {}), None, "d" * 64)
    for read in (layer_facts, package_list, lambda found: found.text("version")):
        with contextlib.suppress(GVariantError):
            read(odd)


@given(st.binary(max_size=200))
def test_any_object_with_the_right_name_is_read_or_refused(data: bytes) -> None:
    checksum = hashlib.sha256(data).hexdigest()
    with contextlib.suppress(GVariantError):
        parse_commit(data, checksum, byte_order="little")
    with contextlib.suppress(GVariantError):
        parse_folder(data, checksum)
