r"""Snappy's block format: the size a body declares, looked at before anything is allocated for it. Pure.

A block begins with the size of what it holds, as a varint (google/snappy, format_description.txt)::

    \xb0\x12 …       2352 bytes, then literals and copies
"""

import cramjam

from layercensus.fleet.refusal import Refusal, Status

_MOST_SIZE_BYTES = 5


def declared_size(body: bytes) -> int:
    """Bytes that a block says it holds. Raises `Refusal` where it does not say."""
    size = 0
    for index, byte in enumerate(body[:_MOST_SIZE_BYTES]):
        size |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return size
    raise Refusal(Status.BAD_REQUEST, "snappy", "the body is no snappy block")


def decompress(body: bytes, most_bytes: int) -> bytes:
    """What a block holds, at most `most_bytes`. Raises `Refusal`."""
    size = declared_size(body)
    if size > most_bytes:
        raise Refusal(Status.TOO_LARGE, "size", f"the body says it holds {size} bytes, {most_bytes} are taken at most")
    try:
        held = bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise Refusal(Status.BAD_REQUEST, "snappy", "the body is no snappy block") from error
    if len(held) != size:
        raise Refusal(Status.BAD_REQUEST, "snappy", "the body does not hold what it says")
    return held
