"""Why a read failed, as one word of the contract's closed set, from what the host room says of it. Pure.

"/host/…/1.origin: cannot be read: Permission denied; read it as root, …"    permission
"""

import re

# In this order: the first that is found names the reason. `timeout` comes from the clock, never from a text.
_REASONS = (
    ("permission", r"Permission denied|Operation not permitted"),
    ("not_found", r"is not seen below|mount the host's|is below .*: mount|has no commit|has no folder|No such file"),
    ("inconsistent", r"cannot be told|says nothing of its host"),
    ("malformed", r"\b(is|assigns|ends|has|holds|names|says)\b"),
)


def reason_of(problems: tuple[str, ...]) -> str:
    """The reason, `other` if no text is one we know."""
    text = "; ".join(problems)
    return next((reason for reason, pattern in _REASONS if re.search(pattern, text)), "other")
