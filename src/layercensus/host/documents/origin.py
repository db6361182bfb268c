"""An ostree origin file: what a deployment was asked to be. Pure.

It lies beside its deployment (`/ostree/deploy/OSNAME/deploy/CHECKSUM.SERIAL.origin`) and holds requests only: neither
what of them is in effect, nor which deployment is booted. Keys after rpm-ostree's `rust/src/origin.rs`. Sample::

    [origin]
    container-image-reference=ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:…

    [packages]
    requested=libvirt;fish;
    requested-local=SHA256:foo-1.2-3.x86_64;

    [overrides]
    remove=docker;
    replace=repo=updates,podman,buildah;
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from layercensus.errors import HostDocumentError
from layercensus.host.changes import install_change, local_change, module_change
from layercensus.host.documents.key_file import KeyFile, KeyFileError, parse_key_file
from layercensus.host.os_identity import is_image_layered
from layercensus.host.reading import Reading
from layercensus.model import Change, Deployment, Form, Kind, Unlocked

# bootc refuses an origin that has one of these groups, even an empty one (bootc `utils.rs`,
# origin_has_rpmostree_stuff).
BOOTC_REFUSES = ("rpmostree", "packages", "overrides", "modules")

# The base of a deployment; `rojig` was a third kind from 2018 to 2021.
_REFSPEC_KEYS = ("refspec", "baserefspec", "rojig")
_IMAGE_KEY = "container-image-reference"
_SHA256_AND_PACKAGE = re.compile(r"^[0-9a-f]{64}:.")
_LOCAL_KEYS = {
    ("packages", "requested-local"): Kind.INSTALL_LOCAL,
    ("packages", "requested-local-fileoverride"): Kind.INSTALL_LOCAL_FORCE,
    ("overrides", "replace-local"): Kind.REPLACE_LOCAL,
}
_LIST_KEYS = frozenset(
    "requested requested-local requested-local-fileoverride remove replace-local replace enable install".split()
)
# A line that is no part of the file: a fence, or a prompt with a command behind it or alone.
_AROUND = re.compile(
    r"^[ \t]*(?:`{3}|~{3}|\[?[\w.-]{1,64}@[\w.-]{1,255}[^#$\n]{0,80}[#$]|-?(?:ba)?sh-\d[\d.]{0,8}[#$]|"
    r"\$ |# (?:sudo )?cat ).*(?:\n|\Z)",
    re.MULTILINE,
)
_FIRST_GROUP = re.compile(r"^[ \t]*\[\w", re.MULTILINE)
_NOT_BOOTED = "an origin file does not tell which deployment is booted: judged is the one that it belongs to"


@dataclass(frozen=True, slots=True)
class Origin:
    """A whole origin file. `requests` have `active` None; `unlocked` is None where the file names no state.

    `refused_groups`: those for which bootc refuses the deployment. `cut`: the file ends inside a line.
    """

    refspec: str | None
    image: str | None
    custom: tuple[str, str] | None
    requests: tuple[Change, ...]
    unlocked: Unlocked | None
    pinned: bool
    initramfs: bool
    refused_groups: tuple[str, ...]
    override_commit: str | None = None
    cut: bool = False


def split_origins(text: str) -> Iterator[str]:
    """The origin files in a text that was pasted out of a shell: without prompts, fences and what follows them.

    A text in which no such line stands is one file, whatever is in it.
    """
    if not _AROUND.search(text):
        yield text
        return
    before, *parts = _AROUND.split(text)
    for part in (before, *parts):
        if start := _FIRST_GROUP.search(part):
            # Before the first group may stand the rest of a command that was wrapped, but no key.
            yield part if "=" in part[: start.start()] else part[start.start() :]


def parse_origin(text: str) -> Reading:
    """The one deployment that an origin file belongs to, judged by its requests; that it is booted is assumed and said.

    Raises `HostDocumentError` where rpm-ostree would refuse the file.
    """
    origin = read_origin(text)
    problems = [_NOT_BOOTED]
    if origin.cut:
        problems.append("the file ends without a line end, so its last line may be cut")
    return Reading(deployments=(replace(as_deployment(origin), booted=True),), problems=tuple(problems))


def as_deployment(origin: Origin) -> Deployment:
    """What an origin alone says of its deployment; what only the running system knows is None."""
    url = origin.custom[0] if origin.custom else None
    return Deployment(
        pinned=origin.pinned,
        cut=origin.cut,
        image=origin.image,
        origin=url or origin.refspec,
        custom_origin=origin.custom,
        changes=origin.requests,
        unlocked=origin.unlocked,
        initramfs=origin.initramfs,
        image_layered=is_image_layered(origin.image, *(origin.custom or ())),
        bootc_incompatible=bool(origin.refused_groups),
    )


def read_origin(text: str) -> Origin:
    """Every key of an origin file. Raises `HostDocumentError` (`KeyFileError` where it is no key file at all)."""
    file = parse_key_file(text)
    refspec, image = _base(file)
    url = file.string("origin", "custom-url")
    cut = bool(text) and not text.endswith("\n")
    if cut:
        file = _without_open_end(file, text)
    return Origin(
        refspec=refspec,
        image=image,
        custom=(url, file.string("origin", "custom-description") or "") if url else None,
        requests=tuple(dict.fromkeys(_requests(file))),
        unlocked=_unlocked(file),
        pinned=file.flag("libostree-transient", "pinned") or False,
        initramfs=_initramfs(file),
        refused_groups=tuple(group for group in BOOTC_REFUSES if group in file.groups),
        override_commit=(file.string("origin", "override-commit") or "").partition("#")[0].strip() or None,
        cut=cut,
    )


def _base(file: KeyFile) -> tuple[str | None, str | None]:
    """Refspec or image: exactly one kind must be there, as in `origin_to_treefile_inner`."""
    refspec = next(filter(None, (file.string("origin", key) for key in _REFSPEC_KEYS)), None)
    image = file.string("origin", _IMAGE_KEY)
    if refspec and image:
        raise HostDocumentError(f"names both a refspec and a {_IMAGE_KEY}: rpm-ostree refuses it", where="[origin]")
    if not refspec and not image:
        raise HostDocumentError(f"names no base: neither refspec, baserefspec nor {_IMAGE_KEY}", where="[origin]")
    return refspec, image


def _without_open_end(file: KeyFile, text: str) -> KeyFile:
    """Drop the last list item of a text without a final line end, unless its `;` is there: it may be half a name."""
    key, sign, value = text.rpartition("\n")[2].partition("=")
    key = key.strip()
    if not sign or key not in _LIST_KEYS or value.endswith(";"):
        return file
    whole = value.rpartition(";")[0]
    groups = {
        name: {**keys, key: f"{whole};" if whole else ""} if keys.get(key) == value.lstrip() else keys
        for name, keys in file.groups.items()
    }
    return KeyFile(groups)


def _requests(file: KeyFile) -> Iterator[Change]:
    for text in _items(file, "packages", "requested"):
        yield install_change(text, "[packages] requested", active=None)
    for (group, key), kind in _LOCAL_KEYS.items():
        for text in _items(file, group, key):
            if not _SHA256_AND_PACKAGE.match(text):
                raise HostDocumentError("has an entry that is no SHA256:NEVRA", where=f"[{group}] {key}")
            yield local_change(kind, text, f"[{group}] {key}", active=None)
    for name in _items(file, "overrides", "remove"):
        yield Change(Kind.REMOVE, Form.NAME, name, name, "[overrides] remove", active=None)
    for text in _items(file, "overrides", "replace"):
        yield from _remote_replacements(text)
    for key in ("install", "enable"):
        for text in _items(file, "modules", key):
            yield module_change(text, f"[modules] {key}", active=None)


def _items(file: KeyFile, group: str, key: str) -> Iterator[str]:
    """Items of a list that are not empty: a doubled `;` is a slip of the hand, no package."""
    return (item for item in file.strings(group, key) if item.strip())


def _remote_replacements(text: str) -> Iterator[Change]:
    """`repo=NAME,package,package`; the name of a repository may hold colons and, as any, no comma."""
    where = "[overrides] replace"
    source, *names = text.split(",")
    kind, sign, repository = source.partition("=")
    if kind != "repo" or not sign or not repository:
        raise HostDocumentError("has an entry that does not begin with repo=NAME", where=where)
    for name in filter(None, names):
        yield Change(Kind.REPLACE_REMOTE, Form.NAME, name, name, where, active=None, repository=repository)


def _unlocked(file: KeyFile) -> Unlocked | None:
    """State that `ostree admin unlock` wrote here; a state that ostree does not know is none, as for ostree itself."""
    value = file.string("origin", "unlocked")
    return Unlocked(value) if value in set(Unlocked) else None


def _initramfs(file: KeyFile) -> bool:
    """Whether the initramfs is made on this machine. A truth value that is none counts as false, as in rpm-ostree."""
    try:
        regenerate = file.flag("rpmostree", "regenerate-initramfs") or False
    except KeyFileError:
        regenerate = False
    lists = (file.strings("rpmostree", "initramfs-args"), file.strings("rpmostree", "initramfs-etc"))
    return regenerate or any(lists)
