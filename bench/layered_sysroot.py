"""The sysroot that benches read: ten packages layered on a container, made by ostree, rpmbuild and rpm.

Needs root and Debian's ostree, rpm, python3-gi, gir1.2-ostree-1.0.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from tests.real.sysroots import OSNAME, Row, Sysroot, build_database, client_layer, container_merge

LAYERED = ("htop", "usbguard")
DEPENDENCIES = 8
ORIGIN = "[origin]\ncontainer-image-reference=ostree-unverified-registry:quay.io/x/y:z\n[packages]\nrequested={};\n"


def rows(names: Sequence[str]) -> list[Row]:
    """Packages of these names."""
    return [(name, "0", "1.0", "1.el9", "x86_64") for name in names]


@contextmanager
def layered_sysroot(packages: int = 500) -> Iterator[tuple[Sysroot, Path]]:
    """The sysroot, of so many packages in all, and the folder of its one deployment; both are gone afterwards.

    The list of the container's packages is only in its rpm database, as ostree-ext leaves it.
    """
    folder = Path(tempfile.mkdtemp(prefix="layercensus-bench-"))
    try:
        added = rows([*LAYERED, *(f"dependency-{number}" for number in range(DEPENDENCIES))])
        base = rows([f"package-{number:04}" for number in range(packages - len(added))])
        layered = [*base, *added]
        base_database = build_database(folder / "base", base)
        database = build_database(folder / "layered", layered)
        sysroot = Sysroot(folder / "host")
        merge = sysroot.commit(container_merge(), database=base_database)
        layer = sysroot.commit(client_layer(layered, packages=LAYERED), parent=merge, database=database)
        yield sysroot, sysroot.deploy(layer, ORIGIN.format(";".join(LAYERED)))
    finally:
        for path in folder.glob(f"host/ostree/deploy/{OSNAME}/deploy/*"):
            subprocess.run(["chattr", "-i", str(path)], capture_output=True, check=False)
        shutil.rmtree(folder)
