"""Vendor texts to labels: known whole texts only, and never a label from a text that only looks like a known one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercensus.classify.vendor import Vendor, normalise_vendor, vendor_of
from layercensus.data import read_json
from layercensus.model import Change, Form, Kind


def change(
    name: str | None, *, kind: Kind = Kind.INSTALL, active: bool | None = True, form: Form = Form.NAME
) -> Change:
    return Change(kind=kind, form=form, requested=name or "x", name=name, origin_key="k", active=active)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Red Hat, Inc.", "redhat"),
        ("  red  hat,\tINC. ", "redhat"),
        ("Fedora Project", "fedora"),
        ("CentOS", "centos"),
        ("CrowdStrike, Inc.", "other"),
        ("Müller & Söhne “GmbH”", "other"),
        ("", "none"),
        ("   ", "none"),
        ("(none)", "none"),
        # Forged or only alike: a vendor is whatever a packager writes.
        ("Red Hat, Inc. (rebuilt by Example)", "other"),
        ("not Red Hat, Inc.", "other"),
        ("Red Hat, Inc.\x00", "other"),
        ("Ｒｅｄ Ｈａｔ, Ｉｎｃ.", "other"),
        ("Rеd Hat, Inc.", "other"),  # Cyrillic е
        ("Fedora Copr - user example", "other"),
        ("Fedora Copr - group @example", "other"),
        ("none", "other"),
    ],
)
def test_a_vendor_is_known_by_its_whole_text(text: str, label: str) -> None:
    assert normalise_vendor(text) == label


@given(st.text())
def test_every_text_has_a_label_of_the_closed_set(text: str) -> None:
    assert normalise_vendor(text) in set(Vendor)


def test_the_labels_are_those_of_the_data_and_fit_the_metric() -> None:
    assert {label.value for label in Vendor} == {"redhat", "fedora", "centos", "other", "none"}
    assert set(read_json("rpm_vendors.json")["labels"]) == {"redhat", "fedora", "centos"}
    metrics = {entry["name"]: entry for entry in read_json("contract/metrics.json")["metrics"]}
    pattern = metrics["layercensus_package_info"]["labels"]["vendor"]["pattern"]
    assert all(re.match(pattern, label) for label in Vendor)


def test_a_change_has_the_vendor_of_the_package_it_brought_in() -> None:
    vendors = {"htop": "Fedora Project", "agent": "", "libreswan": "Red Hat, Inc."}
    assert vendor_of(change("htop"), vendors) is Vendor.FEDORA
    assert vendor_of(change("htop", active=None), vendors) is Vendor.FEDORA
    assert vendor_of(change("agent", kind=Kind.INSTALL_LOCAL), vendors) is Vendor.NONE
    assert vendor_of(change("libreswan-4.6"), vendors) is Vendor.REDHAT


def test_what_the_database_does_not_say_has_no_vendor() -> None:
    vendors = {"htop": "Fedora Project"}
    assert vendor_of(change("strace"), vendors) is None
    assert vendor_of(change(None, form=Form.PROVIDE), vendors) is None
    assert vendor_of(change("htop"), {}) is None


def test_a_request_that_is_not_in_effect_does_not_take_the_vendor_of_the_base_package() -> None:
    assert vendor_of(change("htop", active=False), {"htop": "Red Hat, Inc."}) is None
