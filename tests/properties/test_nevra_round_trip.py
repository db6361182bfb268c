"""A NEVRA that is written and read again is the same; names, versions and releases of every shape that rpm allows."""

import contextlib
import string

from hypothesis import given
from hypothesis import strategies as st

from layercensus.errors import NevraError
from layercensus.host.nevra import ARCHES, Nevra, parse_nevra, parse_request
from layercensus.model import Form

ALNUM = string.ascii_letters + string.digits
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._+]{0,8}(-[A-Za-z0-9._+]{1,8}){0,3}", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9][A-Za-z0-9._+~^]{0,10}", fullmatch=True)
EPOCHS = st.integers(min_value=0, max_value=4294967295)


def nevras(arches: st.SearchStrategy[str | None]) -> st.SearchStrategy[Nevra]:
    return st.builds(Nevra, name=NAMES, version=VERSIONS, release=VERSIONS, epoch=EPOCHS, arch=arches)


@given(nevras(st.sampled_from(sorted(ARCHES))))
def test_a_nevra_survives_being_written_and_read(nevra: Nevra) -> None:
    assert parse_nevra(str(nevra)) == nevra


@given(nevras(st.sampled_from(sorted(ARCHES))), st.text("0123456789abcdef", min_size=64, max_size=64))
def test_and_with_the_sha256_of_an_origin_file(nevra: Nevra, sha256: str) -> None:
    assert parse_nevra(f"{sha256}:{nevra}") == nevra


@given(nevras(st.sampled_from(sorted(ARCHES))))
def test_and_with_the_epoch_in_front(nevra: Nevra) -> None:
    text = f"{nevra.epoch}:{nevra.name}-{nevra.version}-{nevra.release}.{nevra.arch}"
    assert parse_nevra(text) == nevra


@given(nevras(st.sampled_from(sorted(ARCHES))))
def test_a_full_nevra_is_a_nevra_to_a_request_too(nevra: Nevra) -> None:
    assert parse_request(str(nevra)) == (Form.NEVRA, nevra.name, nevra)


@given(st.text(max_size=80))
def test_a_request_never_raises_and_a_nevra_only_its_own_error(text: str) -> None:
    form, name, nevra = parse_request(text)
    assert (nevra is not None) == (form is Form.NEVRA)
    assert name is None or form in {Form.NAME, Form.NAME_ARCH, Form.NEVRA}
    with contextlib.suppress(NevraError):
        assert str(parse_nevra(text))
