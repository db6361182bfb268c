"""An address to listen on, as an option gives it. Pure."""

import ipaddress

from layercensus.errors import Fault, UsageError


def parse_listen(text: str, default: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9464` or `[::1]:9464`. Raises `UsageError`, which shows how it is written."""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
        number = int(port) if port.isascii() and port.isdigit() else -1
    except ValueError:
        address, number = None, -1
    # ::1:9464 could be an address without a port. Brackets around any address are taken: the kit writes them always.
    is_clear = bracketed or ":" not in host
    if address is None or not is_clear or not 0 <= number <= 65535:
        next_step = f"write it as {default} or [::1]:{default.rpartition(':')[2]}"
        raise UsageError(f"{text!r} is no address and port", where="--listen", fault=Fault.USAGE, next_step=next_step)
    return str(address), number


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return ipaddress.ip_address(host).is_loopback
