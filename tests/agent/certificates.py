"""Authorities and certificates made by `openssl`, for tests of TLS."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

OPENSSL = shutil.which("openssl")
MISSING = "NO CERTIFICATE WAS MADE, missing: openssl (Debian package: openssl)"


def run(*arguments: str | Path) -> None:
    done = subprocess.run([str(OPENSSL), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Authority:
    """An authority in a folder; `signed_by` makes it an intermediate one."""

    folder: Path
    name: str
    signed_by: "Authority | None" = None

    def __post_init__(self) -> None:
        extensions = self.folder / f"{self.name}.ext"
        extensions.write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
        make(self.folder, self.name, self.name, self.signed_by, extensions)

    @property
    def certificate(self) -> Path:
        return self.folder / f"{self.name}.crt"

    def issue(self, file: str, common_name: str, names: str = "IP:127.0.0.1,DNS:localhost") -> tuple[Path, Path]:
        """Certificate and key; `names`: what else the certificate is for."""
        extensions = self.folder / f"{file}.ext"
        extensions.write_text(f"subjectAltName={names}\n")
        make(self.folder, file, common_name, self, extensions)
        return self.folder / f"{file}.crt", self.folder / f"{file}.key"


def make(folder: Path, file: str, common_name: str, signer: Authority | None, extensions: Path) -> None:
    key, request, made = (folder / f"{file}.{end}" for end in ("key", "csr", "crt"))
    run(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", key, "-out", request, "-subj", f"/CN={common_name}",
    )  # fmt: skip
    by = (
        ("-signkey", key)
        if signer is None
        else ("-CA", signer.certificate, "-CAkey", signer.folder / f"{signer.name}.key", "-CAcreateserial")
    )
    run("x509", "-req", "-in", request, "-days", "2", "-extfile", extensions, *by, "-out", made)
