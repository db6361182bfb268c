"""A request that is not taken: the status, why, in a word that is counted, and in a line for who sent it. Pure."""

from dataclasses import dataclass
from enum import IntEnum


class Status(IntEnum):
    """What HTTP calls it. Senders try again after 5xx, after 429 if they are told to, and never after another 4xx."""

    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    METHOD_NOT_ALLOWED = 405
    REQUEST_TIMEOUT = 408
    TOO_LARGE = 413
    UNSUPPORTED = 415
    TOO_MANY = 429
    HEAD_TOO_LARGE = 431
    INTERNAL = 500
    UNAVAILABLE = 503


@dataclass
class Refusal(Exception):  # noqa: N818 - a request is refused, which is no error of ours
    """`reason` is one word of a closed set; `detail` repeats nothing of the request that could be a secret.

    `cluster_id`: whose request it is, where a token of ours said so.
    """

    status: Status
    reason: str
    detail: str
    cluster_id: str = ""

    def __str__(self) -> str:
        """The line for the sender."""
        return self.detail
