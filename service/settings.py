"""What a service is started with, handed to its worker processes as one JSON value."""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from align.errors import InputError

ENVIRONMENT = "SAMESTORY_SERVICE"
MIB = 1 << 20


@dataclass(frozen=True)
class Settings:
    """The settings of one service. Sizes are bytes or characters, times are seconds.

    `rate` is the limit of a key that has none of its own, such as ``100/second``; "" is none. `needs_key` is set where a key was
    in force at the start: revoking the last one must not open a running service.
    """

    folder: str
    model: str | None = None
    host: str = "127.0.0.1"
    workers: int = 1
    rate: str = ""
    needs_key: bool = False
    max_body_bytes: int = 32 * MIB
    max_job_bytes: int = 512 * MIB
    max_item_characters: int = 1_000_000
    max_items: int = 10_000
    max_requests: int = 200
    max_waiting_bytes: int = 128 * MIB
    max_waiting_items: int = 20_000
    timeout: float = 30.0
    ingest_timeout: float = 300.0

    @property
    def path(self) -> Path:
        """The index folder."""
        return Path(self.folder)

    @property
    def on_loopback(self) -> bool:
        """Whether the address can be reached from this machine alone."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def hand_over(self) -> None:
        """Put the settings into the environment, where worker processes find them."""
        os.environ[ENVIRONMENT] = json.dumps(asdict(self))

    @classmethod
    def handed_over(cls) -> Settings:
        """The settings that the starting process handed over. Raises InputError if there are none."""
        try:
            return cls(**json.loads(os.environ[ENVIRONMENT]))
        except KeyError as error:
            raise InputError(f"{ENVIRONMENT} is not set; start the service with `samestory serve`") from error
