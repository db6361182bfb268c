"""The ordered table of rules: the first that holds for a change gives its verdict. A small function and an id each.

A rule sees one change, one catalog and what else is active in the deployment (`Setting`); it never sees a file. The id
of a rule is the same in findings, docs (`docs/rules.md`) and tests.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from layercensus.classify.catalog import Catalog, Listing, earlier_catalogs
from layercensus.model import Change, Form, Kind, Verdict

_NAME_VERSION = re.compile(r"^(?P<name>.+)-\d[^-]*$")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a rule may look at beside the change: catalog (None: none for this OS), arch, the active kernel switch.

    `names_anything`: the machine config operator of this OS installs extension names as they are (OKD on Fedora
    CoreOS). `asked_for`: extension names in the rendered MachineConfig; None if it was not read.
    """

    catalog: Catalog | None
    arch: str | None = None
    switched_kernel: bool = False
    names_anything: bool = False
    asked_for: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says: the verdict, and the extension where there is one."""

    verdict: Verdict
    extension: str | None = None


Rule = Callable[[Change, Setting], Finding | None]


def no_catalog(change: Change, setting: Setting) -> Finding | None:
    """On an OS that has no extensions nothing is one."""
    return Finding(Verdict.NON_EXTENSION) if setting.catalog is None else None


def kernel_type_install(change: Change, setting: Setting) -> Finding | None:
    """A package that MCO installs to switch to the realtime or 64k kernel."""
    if change.kind.installs and setting.catalog and _listed_kernel(change, setting.catalog):
        return Finding(Verdict.KERNEL_TYPE)
    return None


def kernel_type_removal(change: Change, setting: Setting) -> Finding | None:
    """A base kernel package that MCO removes with it: only where the other kernel's core is active."""
    switched = setting.switched_kernel and setting.catalog is not None
    if change.kind is Kind.REMOVE and switched and setting.catalog and change.name in setting.catalog.base_removals:
        return Finding(Verdict.KERNEL_TYPE)
    return None


def extension_mco(change: Change, setting: Setting) -> Finding | None:
    """A package of an extension that MCO of this release installs by that name."""
    listing = _listed(change, setting.catalog)
    return Finding(Verdict.EXTENSION, listing.extension) if listing and listing.by_mco else None


def extension_os(change: Change, setting: Setting) -> Finding | None:
    """A package of an extension in the OS repository of this release which MCO's list lacks (decision 0003)."""
    listing = _listed(change, setting.catalog)
    return Finding(Verdict.EXTENSION, listing.extension) if listing else None


def extension_module(change: Change, setting: Setting) -> Finding | None:
    """A module stream that an extension of this release is built from."""
    if change.kind is not Kind.MODULE or setting.catalog is None:
        return None
    extension = setting.catalog.modules.get(change.requested.partition("/")[0])
    return Finding(Verdict.EXTENSION, extension) if extension else None


def kernel_type_retired(change: Change, setting: Setting) -> Finding | None:
    """A package of a kernel type in an earlier release: MCO left it when the node was upgraded."""
    if change.kind.installs and any(_listed_kernel(change, earlier) for earlier in _earlier(setting)):
        return Finding(Verdict.KERNEL_TYPE)
    return None


def extension_retired(change: Change, setting: Setting) -> Finding | None:
    """A package of an extension in an earlier release: MCO left it when the node was upgraded."""
    for earlier in _earlier(setting):
        if listing := _listed(change, earlier):
            return Finding(Verdict.EXTENSION, listing.extension)
    return None


def extension_machine_config(change: Change, setting: Setting) -> Finding | None:
    """On OKD's Fedora CoreOS a name that the rendered MachineConfig lists is an extension, whatever it is."""
    if setting.names_anything and change.kind is Kind.INSTALL and change.name in (setting.asked_for or ()):
        return Finding(Verdict.EXTENSION, change.name)
    return None


def undetermined_machine_config(change: Change, setting: Setting) -> Finding | None:
    """On OKD's Fedora CoreOS only the rendered MachineConfig tells, and it was not read."""
    if setting.names_anything and change.kind is Kind.INSTALL and setting.asked_for is None:
        return Finding(Verdict.UNDETERMINED)
    return None


def undetermined_glob(change: Change, setting: Setting) -> Finding | None:
    """A glob that an extension's package matches too: what it brought in, the request does not say."""
    if change.kind.installs and change.form is Form.GLOB and setting.catalog:
        names = [*setting.catalog.extensions, *setting.catalog.kernel_installs]
        if any(fnmatchcase(name, change.requested) for name in names):
            return Finding(Verdict.UNDETERMINED)
    return None


def undetermined_provide(change: Change, setting: Setting) -> Finding | None:
    """A provide or a path: which package it brought in, the request does not say."""
    if change.kind.installs and change.form in {Form.PROVIDE, Form.PATH}:
        return Finding(Verdict.UNDETERMINED)
    return None


def non_extension_package(change: Change, setting: Setting) -> Finding | None:
    """A package of no extension."""
    return Finding(Verdict.NON_EXTENSION) if change.kind.installs else None


def non_extension_override(change: Change, setting: Setting) -> Finding | None:
    """A removal, replacement or module that belongs to no extension and no kernel type."""
    return Finding(Verdict.NON_EXTENSION)


RULES: tuple[tuple[str, Rule], ...] = (
    ("extension.machine_config", extension_machine_config),
    ("undetermined.machine_config", undetermined_machine_config),
    ("non_extension.no_catalog", no_catalog),
    ("kernel_type.install", kernel_type_install),
    ("kernel_type.removal", kernel_type_removal),
    ("extension.mco", extension_mco),
    ("extension.os", extension_os),
    ("extension.module", extension_module),
    ("kernel_type.retired", kernel_type_retired),
    ("extension.retired", extension_retired),
    ("undetermined.glob", undetermined_glob),
    ("undetermined.provide", undetermined_provide),
    ("non_extension.package", non_extension_package),
    ("non_extension.override", non_extension_override),
)


def apply_rules(change: Change, setting: Setting) -> tuple[str, Finding]:
    """Id and finding of the first rule that holds; the last one always does."""
    for rule_id, rule in RULES:
        if finding := rule(change, setting):
            return rule_id, finding
    raise AssertionError("the last rule holds for every change")


def names_of(change: Change) -> tuple[str, ...]:
    """RPM names that the request may mean: its name, and for `libreswan-4.6` also the name before a version."""
    if change.name is None:
        return ()
    match = _NAME_VERSION.match(change.name) if change.form is Form.NAME else None
    return (change.name, match["name"]) if match else (change.name,)


def _listed(change: Change, catalog: Catalog | None) -> Listing | None:
    if catalog is None or not change.kind.installs:
        return None
    return next((catalog.extensions[name] for name in names_of(change) if name in catalog.extensions), None)


def _listed_kernel(change: Change, catalog: Catalog) -> bool:
    return any(name in catalog.kernel_installs for name in names_of(change))


def _earlier(setting: Setting) -> tuple[Catalog, ...]:
    return earlier_catalogs(setting.catalog.release, setting.arch) if setting.catalog else ()
