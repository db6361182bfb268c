"""What a damaged rpm database is told as; real ones, and whatever else lies in their place, are in tests/real."""

import sqlite3
from pathlib import Path

import pytest

from layercensus.errors import HostDocumentError
from layercensus.host.live.rpmdb import read_packages, read_vendors


def test_a_row_of_the_schema_that_claims_more_than_there_is_memory_is_damage(tmp_path: Path) -> None:
    """Its length is a varint at the row that byte 108 of the file points to (sqlite.org/fileformat2)."""
    file = tmp_path / "rpmdb.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA page_size = 512")
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        connection.execute("CREATE TABLE Name (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL)")
    connection.close()
    data = bytearray(file.read_bytes())
    row = int.from_bytes(data[108:110], "big")
    data[row : row + 9] = b"\xff" * 9
    file.write_bytes(data)
    with pytest.raises(HostDocumentError, match="is a damaged rpm database"):
        read_packages(file)
    with pytest.raises(HostDocumentError, match="is a damaged rpm database"):
        read_vendors(file, ["htop"])
