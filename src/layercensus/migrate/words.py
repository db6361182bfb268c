r"""Foreign text made safe for a Containerfile, a YAML value and a shell word. Pure.

is_package("htop")                     True: of the grammar of RPM names and NEVRAs, so no tool takes it otherwise
is_package("$(reboot)")                False: may stand in a comment and nowhere else
comment("a\nRUN reboot")               # a<U+000A>RUN reboot
"""

import re
import shlex

from layercensus.text import visible

# rpm-spec(7): letters, digits and . _ + - in a name; ~ and ^ in versions, and the colon of an epoch. A first letter or
# digit keeps it from being an option, a group (@) or a path.
_PACKAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^:-]*\Z")
# As COPR and dnf write ids of repositories; no glob, no list.
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]*\Z")
# Names of Kubernetes objects (RFC 1123).
_OBJECT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")
# containers/image: host, port, path, tag, digest; no sign that a shell, a build or YAML takes for anything.
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]{1,5})?/)?[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?\Z"
)
_MAX_LENGTH = 512


def is_package(text: str) -> bool:
    """Whether a request is a name or NEVRA and can be given to a tool as it is."""
    return len(text) <= _MAX_LENGTH and bool(_PACKAGE.match(text))


def is_repository(text: str) -> bool:
    """Whether a text is an id of a repository."""
    return len(text) <= _MAX_LENGTH and bool(_REPOSITORY.match(text))


def is_object_name(text: str) -> bool:
    """Whether a text names a Kubernetes object, a node or a pool."""
    return bool(_OBJECT.match(text))


def is_image(text: str) -> bool:
    """Whether a text is an image reference that a build can start from."""
    return len(text) <= _MAX_LENGTH and bool(_IMAGE.match(text))


def comment(text: str, *, indent: int = 1) -> str:
    """One line that no build takes for anything else: visible, never continued, never a directive of the parser."""
    shown = visible(text).rstrip("\\ ").strip()
    return f"#{' ' * indent}{shown}" if shown else "#"


def word(text: str) -> str:
    """One word of a shell."""
    return shlex.quote(visible(text))


def rpm_file(nevra: str) -> str:
    """File name that rpmbuild gives a package: the NEVRA without its epoch (`%_rpmfilename`)."""
    return re.sub(r"-[0-9]+:", "-", nevra, count=1) + ".rpm"
