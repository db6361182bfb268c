"""Requests to changes, as every parser makes them: a repository request, a local package, a module. Pure."""

from layercensus.errors import NevraError
from layercensus.host.nevra import parse_nevra, parse_request, strip_sha256
from layercensus.model import Change, Form, Kind


def install_change(text: str, key: str, *, active: bool | None) -> Change:
    """Build a change from a repository request in any form."""
    form, name, nevra = parse_request(text)
    return Change(
        kind=Kind.INSTALL,
        form=form,
        requested=text,
        name=name,
        origin_key=key,
        active=active,
        nevra=str(nevra) if nevra else None,
    )


def local_change(kind: Kind, text: str, key: str, *, active: bool | None = True) -> Change:
    """Build a change from a local package's NEVRA; a sha256 in front, as origin files have it, is kept apart."""
    whole, text = text, strip_sha256(text)
    name, nevra = name_and_nevra(text)
    form = Form.NEVRA if nevra else Form.NAME
    digest = whole.removesuffix(text).rstrip(":") or None
    return Change(kind, form, text, name, key, active=active, nevra=nevra, header_sha256=digest)


def name_and_nevra(text: str) -> tuple[str, str | None]:
    """RPM name of a package given as NEVRA, and the NEVRA; of anything else the text itself and None."""
    try:
        return parse_nevra(text).name, text
    except NevraError:
        return text, None


def module_change(text: str, key: str, *, active: bool | None) -> Change:
    """Build a change from a module request, `name:stream[/profile]`; it has no RPM name."""
    return Change(kind=Kind.MODULE, form=Form.NAME, requested=text, name=None, origin_key=key, active=active)


def normal_nevra(text: str) -> str:
    """One spelling for `foo-0:1-2.noarch` and `foo-1-2.noarch`."""
    try:
        return str(parse_nevra(text))
    except NevraError:
        return text
