"""A machine as read to a census: every change judged, one class for the machine. Pure.

The class is the first line of `layering_of` that holds, over the changes with `active` not false
(`docs/glossary.md`, layering).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from layercensus.classify.catalog import Catalog, load_catalog
from layercensus.classify.known_packages import find_known_package, need_of
from layercensus.classify.release import ReleaseChoice, choose_releases
from layercensus.classify.rules import Finding, Setting, apply_rules, names_of
from layercensus.classify.vendor import vendor_of
from layercensus.model import (
    Census,
    Change,
    Deployment,
    JudgedChange,
    JudgedDeployment,
    Judgement,
    KernelType,
    Layering,
    Machine,
    OperatingSystem,
    Readability,
    RenderedConfig,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the booted deployment beside its status: the rendered MachineConfig, the vendors of its RPMs."""

    rendered_config: RenderedConfig | None = None
    rpm_vendors: Mapping[str, str] = field(default_factory=dict)


def classify(machine: Machine, *, release: str | None = None) -> Census:
    """Judge a machine's booted and next deployment, each by the catalog of its own release.

    `release` is what the user says of it (`4.14`): it chooses among the releases that the machine's source allows.
    """
    booted = _judge_booted(machine, release)
    staged = None
    if machine.staged is not None:
        staged_os = _os_of_next(machine.os, machine.staged)
        staged = judge_deployment(machine.staged, staged_os, release=release)
    return Census(machine=machine, booted=booted, staged=staged, problems=(*machine.problems, *booted.problems))


def _os_of_next(os: OperatingSystem, staged: Deployment) -> OperatingSystem:
    """OS of the next deployment: another version may be of another release than os-release says."""
    if staged.version in {None, os.version}:
        return os
    return replace(os, version=staged.version, openshift_version=None)


def _judge_booted(machine: Machine, release: str | None) -> JudgedDeployment:
    if machine.readability is Readability.READ and machine.booted is not None:
        evidence = Evidence(machine.rendered_config, machine.rpm_vendors)
        return judge_deployment(machine.booted, machine.os, release=release, evidence=evidence)
    not_applicable = machine.readability is Readability.NOT_APPLICABLE
    choice = ReleaseChoice((), None, None) if not_applicable else choose_releases(machine.os, release)
    return JudgedDeployment(
        layering=Layering.NOT_APPLICABLE if not_applicable else Layering.UNKNOWN,
        release=choice.release,
        release_candidates=choice.candidates if machine.os.version else (),
        kernel_type=None,
        changes=(),
    )


def judge_deployment(
    deployment: Deployment, os: OperatingSystem, *, release: str | None = None, evidence: Evidence | None = None
) -> JudgedDeployment:
    """Judge every change of a deployment; where the candidate releases disagree on one it is undetermined."""
    evidence = evidence or Evidence()
    choice = choose_releases(os, release)
    catalogs: list[Catalog | None] = [None]
    if choice.candidates and not _names_anything(os):
        catalogs = [load_catalog(name, choice.stream, os.arch) for name in choice.candidates]
    active = [change for change in deployment.changes if change.active is not False]
    settings = [_setting(catalog, os, active, evidence.rendered_config) for catalog in catalogs]
    judged = tuple(_judge(change, settings, evidence) for change in deployment.changes)
    layering = layering_of(judged, cut=deployment.cut)
    return JudgedDeployment(
        layering=layering,
        release=choice.release,
        release_candidates=choice.candidates,
        kernel_type=_kernel_type(active, catalogs, deployment) if choice.candidates else None,
        changes=judged,
        problems=(*choice.problems, *_undetermined_problems(judged, choice, layering)),
    )


def layering_of(changes: Iterable[JudgedChange], *, cut: bool = False) -> Layering:
    """Decide the class of a deployment that could be read, by its changes with `active` not false.

    `cut`: more changes may be there than are shown. What is shown stands: a non-extension install is one whatever else
    there is; anything less is unknown.
    """
    active = [judged for judged in changes if judged.change.active is not False]
    foreign = [judged.change for judged in active if judged.judgement.verdict is Verdict.NON_EXTENSION]
    if any(change.kind.installs for change in foreign):
        return Layering.PACKAGES
    if cut or any(judged.judgement.verdict is Verdict.UNDETERMINED for judged in active):
        return Layering.UNKNOWN
    if foreign:
        return Layering.OVERRIDES
    return Layering.EXTENSIONS if active else Layering.CLEAN


def _setting(
    catalog: Catalog | None, os: OperatingSystem, active: Sequence[Change], rendered: RenderedConfig | None
) -> Setting:
    return Setting(
        catalog=catalog,
        arch=os.arch,
        switched_kernel=catalog is not None and _core_of(active, catalog) is not None,
        names_anything=_names_anything(os),
        asked_for=None if rendered is None else frozenset(rendered.extensions),
    )


def _names_anything(os: OperatingSystem) -> bool:
    """Whether extension names are package names: on OKD's Fedora CoreOS, which no catalog lists."""
    return os.openshift is True and os.id == "fedora"


def _core_of(active: Sequence[Change], catalog: Catalog) -> KernelType | None:
    """Kernel type whose kernel is active; None if none is."""
    names = (name for change in active if change.kind.installs for name in names_of(change))
    return next((catalog.kernel_cores[name] for name in names if name in catalog.kernel_cores), None)


def _kernel_type(
    active: Sequence[Change], catalogs: Sequence[Catalog | None], deployment: Deployment
) -> KernelType | None:
    """Kernel that the deployment boots; None where the image, or what is not shown, may bring another one."""
    for catalog in catalogs:
        if catalog is not None and (core := _core_of(active, catalog)):
            return core
    return None if deployment.image_layered or deployment.cut else KernelType.DEFAULT


def _judge(change: Change, settings: Sequence[Setting], evidence: Evidence) -> JudgedChange:
    findings = [apply_rules(change, setting) for setting in settings]
    rule, finding = findings[0]
    if len({found.verdict for _, found in findings}) > 1:
        rule, finding = "undetermined.release", Finding(Verdict.UNDETERMINED)
    known = next(filter(None, map(find_known_package, names_of(change))), None)
    category = known.category if known else None
    foreign = finding.verdict is Verdict.NON_EXTENSION
    judgement = Judgement(
        verdict=finding.verdict,
        rule=rule,
        extension=finding.extension,
        managed=_is_managed(finding, evidence.rendered_config),
        category=category if finding.verdict in {Verdict.NON_EXTENSION, Verdict.UNDETERMINED} else None,
        need=need_of(change, category) if foreign else None,
        vendor=vendor_of(change, evidence.rpm_vendors),
    )
    return JudgedChange(change, judgement)


def _is_managed(finding: Finding, rendered: RenderedConfig | None) -> bool | None:
    """Whether the rendered MachineConfig asks for what the finding says it is; None if it was not read."""
    if rendered is None:
        return None
    if finding.verdict is Verdict.KERNEL_TYPE:
        return rendered.kernel_type is not KernelType.DEFAULT
    return finding.extension in rendered.extensions


def _undetermined_problems(
    judged: Sequence[JudgedChange], choice: ReleaseChoice, layering: Layering
) -> tuple[str, ...]:
    """Say of each undetermined change what would decide it."""
    if layering is not Layering.UNKNOWN:
        return ()
    return tuple(
        f"{item.change.requested}: {_WHY_UNDETERMINED[item.judgement.rule].format(releases=_span(choice.candidates))}"
        for item in judged
        if item.judgement.verdict is Verdict.UNDETERMINED and item.change.active is not False
    )


def _span(releases: Sequence[str]) -> str:
    return f"{releases[0]} to {releases[-1]}" if releases else "none"


_WHY_UNDETERMINED = {
    "undetermined.release": "an extension in some of the releases {releases} and not in others; --release decides",
    "undetermined.machine_config": "only the rendered MachineConfig tells whether it is an extension on this OKD node",
    "undetermined.glob": "a glob that an extension's package matches too",
    "undetermined.provide": "a provide or a path; which package it brought in is not said",
}
