"""Bytes of a file that may be compressed with gzip, xz or bzip2, from front to end in bounded memory. Pure.

What goes wrong is kept in `problem`, with what was read up to there; nothing raises. One budget bounds what an archive
costs with all that lies inside it, so that neither a bomb nor a nest of bombs runs on for ever.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_CHUNK = 64 * 1024
_PIECE = 256 * 1024
# Text compresses up to 30 times. Below this size it does not matter what something expands to.
_MAX_RATIO = 200
_RATIO_MATTERS_FROM_BYTES = 256 * 1024 * 1024
# xz -9 needs 65 MiB to be read. What lies inside another archive gets less: both are in memory at once.
_XZ_MEMORY_BYTES = (72 * 1024 * 1024, 20 * 1024 * 1024)
_MAGICS = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2"}
_LONGEST_MAGIC = 6

CUT_OFF = "is cut off"


class Readable(Protocol):
    """What can be read from front to end."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


class Replayed:
    """A stream of which the beginning was read already, to see what it is; a pipe cannot be wound back."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        """First the beginning, then what follows it."""
        data, self._head = self._head[:size], self._head[size:]
        return data or self._rest.read(size)


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


@dataclass
class Budget:
    """What one archive may cost, with all that lies inside it."""

    members: int = 500_000
    total_bytes: int = 32 * 1024**3


def archive_kind(head: bytes) -> str | None:
    """`gzip`, `xz`, `bzip2` or `tar`, by the first 262 bytes of a file; None if it is none of them."""
    for magic, kind in _MAGICS.items():
        if head.startswith(magic):
            return kind
    return "tar" if head[257:262] == b"ustar" else None


class ByteStream:
    """The decompressed bytes of a stream. After a short read `problem` says what went wrong, None at a clean end."""

    def __init__(self, stream: Readable, budget: Budget, *, depth: int = 0) -> None:
        self.problem: str | None = None
        self._stream = stream
        self._budget = budget
        self._xz_memory = _XZ_MEMORY_BYTES[min(depth, len(_XZ_MEMORY_BYTES) - 1)]
        self._buffer = b""
        self._position = 0
        self._consumed = 0
        self._produced = 0
        self._input = self._read_input()
        self._kind = archive_kind(self._input)
        self._decoder = self._new_decoder()

    def read(self, size: int, /) -> bytes:
        """Exactly `size` bytes, fewer at the end."""
        parts = []
        while size > 0 and (self._position < len(self._buffer) or self._refill()):
            part = self._buffer[self._position : self._position + size]
            self._position += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def skip(self, size: int) -> bool:
        """Pass over `size` bytes; False if the end came before."""
        while size > 0 and (self._position < len(self._buffer) or self._refill()):
            step = min(size, len(self._buffer) - self._position)
            self._position += step
            size -= step
        return size <= 0

    def _refill(self) -> bool:
        self._buffer, self._position = b"", 0
        if self.problem is None:
            try:
                self._buffer = self._next_piece()
            except (zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
                self.problem = f"is damaged ({error})"
            except OSError as error:  # what bz2 raises
                self.problem = f"is damaged ({error})"
        self._produced += len(self._buffer)
        self._budget.total_bytes -= len(self._buffer)
        if self._budget.total_bytes < 0:
            self.problem = "holds more than is read of one archive"
        elif self._produced > max(_RATIO_MATTERS_FROM_BYTES, _MAX_RATIO * self._consumed):
            self.problem = f"expands to more than {_MAX_RATIO} times its size"
        if self.problem:
            self._buffer = b""
        return bool(self._buffer)

    def _next_piece(self) -> bytes:
        if self._decoder is None:
            piece = self._input or self._read_input()
            self._input = b""
            return piece
        while True:
            if self._decoder.eof and not self._start_next():
                return b""
            # zlib hands back what it had no room for; the others keep it and say so.
            hungry = getattr(self._decoder, "needs_input", True)
            data = (self._input or self._read_input()) if hungry else b""
            piece = self._decoder.decompress(data, _PIECE)
            self._input = getattr(self._decoder, "unconsumed_tail", b"") if hungry else self._input
            if piece:
                return piece
            if hungry and not data and not self._decoder.eof:
                self.problem = self.problem or CUT_OFF
                return b""

    def _start_next(self) -> bool:
        """Go on to the next compressed stream of the file, if there is one; zeros and other padding end it."""
        rest = self._decoder.unused_data if self._decoder else b""
        self._input = rest if len(rest) >= _LONGEST_MAGIC else rest + self._read_input()
        if archive_kind(self._input) != self._kind:
            return False
        self._decoder = self._new_decoder()
        return True

    def _new_decoder(self) -> "_Decoder | None":
        makers: dict[str | None, Callable[[], _Decoder]] = {
            "gzip": lambda: zlib.decompressobj(wbits=31),
            "bzip2": bz2.BZ2Decompressor,
            "xz": lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=self._xz_memory),
        }
        make = makers.get(self._kind)
        return make() if make else None

    def _read_input(self) -> bytes:
        try:
            data = self._stream.read(_CHUNK)
        except OSError as error:
            self.problem = f"cannot be read further ({error.strerror or error})"
            return b""
        self._consumed += len(data)
        return data
