"""Messages to systemd, or another service manager that sets ``NOTIFY_SOCKET``."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import MutableMapping, Optional

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class ServiceManager:
    """A socket for short messages. Sending never waits.

    After ``watchdog`` seconds without a message, the service manager considers the
    process dead; None if it does not watch.
    """

    def __init__(self, address: str, watchdog: Optional[float] = None) -> None:
        self.watchdog = watchdog
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Optional[ServiceManager]:
        """Return the service manager that the environment names, if any.

        Its variables are removed: processes that jobs start must not report for the runner.
        """
        address, microseconds, pid = (environment.pop(name, "") for name in _VARIABLES)
        if not address.startswith(("/", "@")) or not hasattr(socket, "AF_UNIX"):
            return None
        watchdog = None
        if pid in ("", str(os.getpid())):
            with contextlib.suppress(ValueError):
                watchdog = int(microseconds) / 1e6
        return cls(address, watchdog if watchdog and watchdog > 0 else None)

    def tell(self, *lines: str) -> bool:
        """Send ``lines``; return False if that is impossible now, as when nobody reads."""
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()
