"""The stack of a store's described texts in files beside the database, which all processes map and one at a time appends to.

What the files hold is derived from the store: where they are not there, or are another model's, the next who writes makes them anew, and
who reads goes without. The store says how much of them counts, in the transaction that the texts came with: what a killed
process left behind, or one that took its changes back, is written over.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from align.describing import Descriptions, TokenReader
from align.stacks import Places, Stack
from align.store import Store

SETTING = "described"
"""Names the folder, says by whose pieces the texts are described and how long their vectors are, and how many rows of each file count."""
PREFIX = "described."
"""What the names of all such folders begin with."""
STALE, SPARE = 2, 10_000
"""With STALE times as many texts as items and SPARE more, most of them of items that are gone or were described anew, the files are made anew."""


class StackFiles:
    """The stack as one thread sees it. An item that was described anew has several places, of which the last one counts."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.stack: Stack | None = None
        self._seen: str | None = None  # what the store said when `stack` was brought up to it
        self._folder = ""
        self._writable = False
        self._place_of = np.empty(0, dtype=np.int64)  # by item number; -1 where there is none

    def read(self, tokens: TokenReader, dimension: int) -> None:
        """Bring `stack` to what the store says now; None where there is none of these pieces, or its files cannot be read."""
        said = self.store.setting(SETTING)
        if said == self._seen:
            return
        self._seen = said
        state = json.loads(said or "{}")
        if (state.get("pieces"), state.get("dimension")) != (tokens.fingerprint, dimension):
            self.stack = None
            return
        try:
            stack = self.stack
            if stack is None or state["folder"] != self._folder:
                stack = self._open(state["folder"], tokens, dimension)
            before = len(stack)
            stack.show(state["sizes"])
        except (OSError, ValueError, KeyError):
            self.stack = None
            return
        self._note(stack, before if before <= len(stack) else 0)

    def write(self, tokens: TokenReader, dimension: int) -> bool:
        """The same for who appends, inside ``store.writing()``: makes files where there are none; whether they may lack items.

        Raises OSError where they cannot be made.
        """
        opens = not self._writable
        if opens:
            self.stack, self._seen, self._writable = None, None, True
        self.read(tokens, dimension)
        if self.stack is not None and len(self.stack) <= STALE * self.store.count_items() + SPARE:
            return opens
        name = f"{PREFIX}{uuid.uuid4().hex[:8]}"
        self._place(name).mkdir()
        self._say(self._open(name, tokens, dimension), tokens.fingerprint, dimension)
        for other in self.store.path.parent.glob(f"{PREFIX}*"):
            if other.name != name:
                shutil.rmtree(other, ignore_errors=True)  # who has it mapped keeps it until it lets go
        return True

    def put(self, numbers: Sequence[int], entries: Descriptions, tokens: TokenReader, dimension: int) -> None:
        """Append the descriptions of items, after ``write`` and in its transaction. Raises OSError where the disk is full."""
        stack = self.stack
        if stack is None:
            raise RuntimeError("nothing is open; `write` comes first")
        before = len(stack)
        stack.add(entries, numbers)
        stack.flush()  # before the store says that they count
        self._note(stack, before)
        self._say(stack, tokens.fingerprint, dimension)

    def adopt(self, other: StackFiles) -> None:
        """Take the files of another store, which it needs no more, in place of one's own. Called inside ``store.writing()``."""
        said = other.store.setting(SETTING)
        if said is not None:
            name = json.loads(said)["folder"]
            other._place(name).rename(self._place(name))
            self.store.set_setting(SETTING, said)

    def places(self, numbers: Sequence[int] | Places) -> Places:
        """Where in `stack` items stand (n,); -1 where they do not."""
        asked = np.asarray(numbers, dtype=np.int64)
        found = np.full(len(asked), -1, dtype=np.int64)
        if self.stack is not None:
            within = asked < len(self._place_of)
            found[within] = self._place_of[asked[within]]
        return found

    def _place(self, name: str) -> Path:
        return self.store.path.parent / name

    def _open(self, name: str, tokens: TokenReader, dimension: int) -> Stack:
        self.stack = stack = Stack(tokens, dimension, self._place(name), self._writable)
        self._folder, self._place_of = name, np.empty(0, dtype=np.int64)
        return stack

    def _note(self, stack: Stack, first: int) -> None:
        """Note the places of the texts in `stack` from the place `first` on; from 0 on, of no others."""
        numbers = stack.items.rows[first : len(stack)]
        if not first:
            self._place_of = np.empty(0, dtype=np.int64)
        missing = int(numbers.max(initial=-1)) + 1 - len(self._place_of)
        if missing > 0:
            self._place_of = np.append(self._place_of, np.full(missing + missing // 4, -1))
        self._place_of[numbers] = np.arange(first, len(stack))

    def _say(self, stack: Stack, pieces: str, dimension: int) -> None:
        state = {"folder": self._folder, "pieces": pieces, "dimension": dimension, "sizes": stack.sizes()}
        self._seen = json.dumps(state)
        self.store.set_setting(SETTING, self._seen)
