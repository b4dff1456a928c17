"""What can go wrong, as one small tree.

AlignError
├── InputError          bad input: a file, a row, a text, an argument (exit 2, HTTP 422)
├── NotFoundError       no such item, cluster or file (exit 1, HTTP 404)
├── ModelMismatchError  an index made by another model than the one asked for (exit 2, HTTP 409)
├── DecisionConflictError a correction that contradicts earlier ones (exit 1, HTTP 409)
└── IndexBusyError      another process is writing this index (exit 1, HTTP 503)

``cli.py`` alone turns these into exit codes, ``service/app.py`` alone into HTTP status codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from align.records import Decision


class AlignError(Exception):
    """The base of every error that a user can mend; its text holds the value, the place and the remedy."""


class InputError(AlignError):
    """Input that cannot be used as it is."""


class NotFoundError(AlignError):
    """An item, cluster or file that is not there."""


class ModelMismatchError(AlignError):
    """The index and the chosen model do not belong together."""


class IndexBusyError(AlignError):
    """Another process holds the index's write lock."""


class DecisionConflictError(AlignError):
    """A correction that cannot hold together with earlier ones: `conflicts`, which would have to be undone."""

    def __init__(self, message: str, conflicts: Sequence[Decision]) -> None:
        super().__init__(message)
        self.conflicts = list(conflicts)

    def __reduce__(self) -> tuple[type[DecisionConflictError], tuple[str, list[Decision]]]:
        """Whole when it comes from another process."""
        return type(self), (str(self), self.conflicts)
