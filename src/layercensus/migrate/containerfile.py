r"""A recipe to the text of a Containerfile. Pure.

::

    # What pool worker of OpenShift 4.16 layers, as an image.
    ARG BASE=quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:29ad…
    FROM ${BASE}
    COPY rpms/falcon-sensor-7.14.0-16703.el9.x86_64.rpm /tmp/layercensus/
    RUN rpm-ostree install \
          /tmp/layercensus/falcon-sensor-7.14.0-16703.el9.x86_64.rpm && \
        rpm-ostree cleanup -m && \
        rm -rf /tmp/layercensus && \
        ostree container commit

Commands come from the recipe, whose texts fit the grammar of RPM names; all other text stands in comments, a line each,
made visible. Sources: openshift/openshift-docs `coreos-layering-configuring`, MCO `docs/UsingLayering.md`, dnf(8).
"""

import posixpath
import textwrap
from collections.abc import Iterator, Sequence

from layercensus.migrate.advising import with_advice
from layercensus.migrate.facts import needs_cliwrap
from layercensus.migrate.plan import Advice, BaseImage, Item, KnownTrap, Recipe, Trap
from layercensus.migrate.words import comment, is_package, rpm_file, word
from layercensus.model import Kind

RPM_FOLDER = "/tmp/layercensus"  # noqa: S108 - in the image, while it is built
_WIDTH = 100
_TARGETS = {Trap.OPT: "/var/opt", Trap.USR_LOCAL: "/var/usrlocal"}
_JOIN = " && \\\n    "
_HEADS = {
    Advice.DROP: "Not moved, only dropped (--everything moves what is in effect all the same):",
    Advice.OPERATOR: "Not moved, since something else delivers it on a cluster:",
    Advice.MACHINE_CONFIG: "Not moved, since a MachineConfig does it:",
    Advice.MCO: "Left to the machine config operator:",
    Advice.BY_HAND: "Not known, so to be done by hand:",
}


def render_containerfile(title: str, base: BaseImage, recipe: Recipe, items: Sequence[Item]) -> str:
    """Text for a build outside the cluster, with `rpms/`, `repos/` and `keys/` beside it."""
    parts = [_head(title, base, recipe), *_aside(items), *_traps(items)]
    parts.append("\n".join(_from(base)) + "\n")
    if recipe.needs_repositories:
        parts.append("COPY repos/ /etc/yum.repos.d/\nCOPY keys/ /etc/pki/rpm-gpg/\n")
    parts.append("".join(f"COPY rpms/{rpm_file(nevra)} {RPM_FOLDER}/\n" for nevra in recipe.rpms))
    parts.append(_run(recipe, _folders(items)))
    return "".join(parts)


def render_on_cluster(recipe: Recipe, items: Sequence[Item], rpm_image: str | None) -> str:
    """Text for the build of a MachineOSConfig: no folder is beside it, so RPM files come from an image."""
    copies = "".join(f"COPY --from={rpm_image} /rpms/{rpm_file(nevra)} {RPM_FOLDER}/\n" for nevra in recipe.rpms)
    return "".join(_traps(items)) + "FROM configs AS final\n" + copies + _run(recipe, _folders(items))


def without_comments(text: str) -> str:
    """The same without a comment, for a MachineOSConfig that holds no more."""
    return "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("#"))


def _head(title: str, base: BaseImage, recipe: Recipe) -> str:
    beside = [f"rpms/{rpm_file(nevra)}" for nevra in recipe.rpms]
    if recipe.needs_repositories:
        beside += ["repos/ (files *.repo of the nodes)", "keys/ (the GPG keys that they name)"]
    lines = [title]
    if beside:
        lines.append(f"Beside it, as the plan says how to gather: {', '.join(beside)}.")
    if base.is_custom:
        lines.append("The base is itself an image made for this cluster: better build from what that was built from.")
    return "".join(_comments(line) for line in lines)


def _from(base: BaseImage) -> Iterator[str]:
    if base.reference:
        if "@sha256:" not in base.reference:
            yield from _comments("The documents name a tag, which moves: put in the digest.").splitlines()
        yield f"ARG BASE={base.reference}"
    else:
        yield from _comments(f"No image stands here: {base.why_not}. Build with --build-arg BASE=IMAGE.").splitlines()
        yield from (comment(image, indent=3) for image in base.several)
        yield "ARG BASE"
    yield "FROM ${BASE}"


def _aside(items: Sequence[Item]) -> Iterator[str]:
    """What does not go into the image, and why: a comment for each."""
    for advice, head in _HEADS.items():
        found = with_advice(items, advice)
        if found:
            yield _comments(head)
            reasons: dict[str, list[str]] = {}
            for item in found:
                reasons.setdefault(_reason(item), []).append(_name(item))
            yield from (_comments(f"{', '.join(names)}: {reason}", indent=3) for reason, names in reasons.items())


def _traps(items: Sequence[Item]) -> Iterator[str]:
    for item in with_advice(items, Advice.IMAGE):
        for trap in item.traps:
            note = f" ({item.why})" if item.why else ""
            yield _comments(f"TRAP {_name(item)}: {trap.words}{note}")
            yield from _way_out(trap)


def _way_out(trap: KnownTrap) -> Iterator[str]:
    """How a folder below /opt is brought to the nodes: from /usr, with a link made at boot (tmpfiles.d(5))."""
    if trap.trap not in {Trap.OPT, Trap.USR_LOCAL} or trap.below is None:
        return
    name = posixpath.basename(trap.below)
    real = trap.below.replace("/opt/", "/var/opt/").replace("/usr/local/", "/var/usrlocal/")
    yield _comments("after its install, in the same RUN (untried; a package may hold its path inside):", indent=3)
    yield comment(f"mv {real} /usr/lib/{name}", indent=5) + "\n"
    line = f"L+ {real} - - - - /usr/lib/{name}"
    yield comment(f"echo '{line}' > /usr/lib/tmpfiles.d/{name}.conf", indent=5) + "\n"


def _name(item: Item) -> str:
    change = item.judged.change
    sign = {Kind.REMOVE: "removal of ", Kind.REPLACE_LOCAL: "replacement ", Kind.REPLACE_REMOTE: "replacement "}
    return f"{sign.get(change.kind, '')}{change.requested}"


def _reason(item: Item) -> str:
    words = [item.why, f"instead: {item.instead}" if item.instead else ""]
    return "; ".join(filter(None, words)) or item.advice.value


def _comments(text: str, *, indent: int = 1) -> str:
    """Comment lines of at most about 100 signs."""
    lines = textwrap.wrap(comment(text)[1:], _WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
    return "".join(comment(line, indent=indent) + "\n" for line in lines)


def _folders(items: Sequence[Item]) -> tuple[str, ...]:
    """Targets of links that known packages install below, which no image has (rhcos-image-layering-examples, xampp)."""
    traps = {trap.trap for item in with_advice(items, Advice.IMAGE) for trap in item.traps}
    return tuple(folder for trap, folder in _TARGETS.items() if trap in traps)


def _run(recipe: Recipe, folders: Sequence[str]) -> str:
    rpm_ostree = recipe.tools.tool == "rpm-ostree"
    commands = [f"mkdir -p {' '.join(folders)}"] if folders else []
    commands += (_rpm_ostree if rpm_ostree else _dnf)(recipe)
    if recipe.rpms:
        commands.append(f"rm -rf {RPM_FOLDER}")
    return "RUN " + _JOIN.join([*commands, *recipe.tools.finish]) + "\n"


def _rpm_ostree(recipe: Recipe) -> Iterator[str]:
    if any(needs_cliwrap(name) for nevra in recipe.replace_local for name in _names(nevra)):
        yield "rpm-ostree cliwrap install-to-root /"
    if recipe.remove:
        yield _command("rpm-ostree override remove", recipe.remove)
    if recipe.replace_local:
        yield _command("rpm-ostree override replace", _files(recipe.replace_local))
    for repository in dict.fromkeys(source for source, _ in recipe.replace_remote):
        names = [name for source, name in recipe.replace_remote if source == repository]
        yield _command(f"rpm-ostree override replace --experimental --from {word(f'repo={repository}')}", names)
    if recipe.install or recipe.local:
        yield _command("rpm-ostree install", (*recipe.install, *_files(recipe.local)))
    if recipe.forced:
        # In a build rpm-ostree takes --force-replacefiles and does nothing with it (`rpmostree-pkg-builtins.cxx`).
        yield _command("rpm -U --replacefiles", _files(recipe.forced))
    yield "rpm-ostree cleanup -m"


def _dnf(recipe: Recipe) -> Iterator[str]:
    """`rpm -e` and not `dnf remove`: as rpm-ostree it refuses where something needs the package, and takes no other."""
    if recipe.remove:
        yield _command("rpm -e", recipe.remove)
    # dnf would put a kernel beside the other one.
    kernels = [nevra for nevra in recipe.replace_local if any(map(needs_cliwrap, _names(nevra)))]
    others = [nevra for nevra in recipe.replace_local if nevra not in kernels]
    if kernels:
        yield _command("rpm -U --oldpackage --replacepkgs", _files(kernels))
    if others:
        yield _command("dnf -y install", _files(others))
    for repository in dict.fromkeys(source for source, _ in recipe.replace_remote):
        names = [name for source, name in recipe.replace_remote if source == repository]
        only = f"--disablerepo='*' --enablerepo={word(repository)}"
        yield _command(f"dnf -y distro-sync {only}", names)
    if recipe.install or recipe.local:
        yield _command("dnf -y install", (*recipe.install, *_files(recipe.local)))
    if recipe.forced:
        yield _command("rpm -U --replacefiles", _files(recipe.forced))
    yield "dnf clean all"


def _command(head: str, arguments: Sequence[str]) -> str:
    """A command with an argument a line. Every argument is checked again: nothing else may become a command."""
    odd = [text for text in arguments if not is_package(text.removeprefix(f"{RPM_FOLDER}/"))]
    if odd:
        raise AssertionError(f"no command is made of {odd!r}")
    return " \\\n      ".join([head, *map(word, arguments)])


def _files(nevras: Sequence[str]) -> list[str]:
    return [f"{RPM_FOLDER}/{rpm_file(nevra)}" for nevra in nevras]


def _names(nevra: str) -> tuple[str, ...]:
    """Name of a package given as NEVRA: before the last two dashes."""
    return (nevra.rsplit("-", 2)[0],)
