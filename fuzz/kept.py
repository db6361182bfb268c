"""What was found, by target, and is found no more: short where bytes alone did it, a product where their number did.

A finding comes here with its repair, and a test of what is now said belongs to the tests of its room.
"""

from fuzz.seeds import seeds_of


def _with_endless_row(database: bytes) -> bytes:
    """An SQLite file whose first row of the schema claims 2^64-1 bytes (sqlite.org/fileformat2, "B-tree Pages")."""
    row = int.from_bytes(database[108:110], "big")
    return database[:row] + b"\xff" * 9 + database[row + 9 :]


KEPT = {
    # Each object cost a count of all lines before it.
    "status_json": {"objects that are all broken": b'"deployments":\n' + b"{\n" * 100_000},
    "bootc": {
        # A search from each line ran over all blank lines that follow.
        "blank lines": b"status:\n" + b"\n" * 60_000,
        # A value ended at each blank, and all that follow were looked at again.
        "blanks within a value": "● Booted image: x\n  Digest: x".encode() + b" " * 100_000 + b"x\n",
    },
    # int() refuses that many digits with an error that nobody expected.
    "node_image": {
        "epoch of five thousand digits": b'{"rpmdb.pkglist": [["acl", "' + b"0" * 5000 + b'", "1", "1", "x"]]}'
    },
    # SQLite is out of memory then, and Python says so by an error of its own.
    "rpmdb": {"row of the schema without end": _with_endless_row(*seeds_of("rpmdb"))},
    # JSON deeper than the stack, in a record whose sum is right.
    "segment": {"kind of very many lists": b"K" + bytes(4) + b"[" * 5000},
    "look": {"stamp that is an object": b'[{}, null, null, ""]'},
    "store": {
        # A text times a thousand is a text of a thousand times its length.
        "time that is a long text": (
            b'{"status": "success", "data": {"resultType": "matrix", "result": '
            b'[{"metric": {}, "values": [["' + b"x" * 400_000 + b'", "3"]]}]}}'
        )
    },
}
