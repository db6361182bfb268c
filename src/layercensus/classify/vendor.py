"""The vendor that a package names, any text, to one of five labels. Pure; the texts are data (`data/rpm_vendors.json`).

Raw text is for the administrator's own screen. A label can go on a metric: its values are closed.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache

from layercensus.classify.rules import names_of
from layercensus.data import read_json
from layercensus.model import Change


class Vendor(StrEnum):
    """Who made a package, by its own word; the values of the label `vendor`."""

    REDHAT = "redhat"
    FEDORA = "fedora"
    CENTOS = "centos"
    OTHER = "other"
    NONE = "none"


def normalise_vendor(text: str) -> Vendor:
    """Label of a vendor text: known whole texts only, `none` where the package names nobody, else `other`.

    Case and blanks don't count. Letters are compared as they are: one that only looks like another is `other`.
    """
    return _labels().get(_plain(text), Vendor.OTHER)


def vendor_of(change: Change, rpm_vendors: Mapping[str, str]) -> Vendor | None:
    """Label of the package that a change brought in; None where the rpm database does not say.

    `rpm_vendors` is of the deployment (`Machine.rpm_vendors`). A request that is not in effect brought nothing in, even
    if the base has a package of that name.
    """
    if change.active is False:
        return None
    text = next((rpm_vendors[name] for name in names_of(change) if name in rpm_vendors), None)
    return None if text is None else normalise_vendor(text)


@cache
def _labels() -> Mapping[str, Vendor]:
    data = read_json("rpm_vendors.json")
    known = {_plain(text): Vendor(label) for label, texts in data["labels"].items() for text in texts}
    return known | {_plain(text): Vendor.NONE for text in data["none"]}


def _plain(text: str) -> str:
    return " ".join(text.split()).lower()
