"""Messages to systemd, or to another process that gives a ``NOTIFY_SOCKET``."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import MutableMapping, Optional

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class ServiceManager:
    """A socket for short messages, which are never waited for.

    ``watchdog`` is after how many seconds without a message the service manager
    takes the process for dead, None if it does not watch.
    """

    def __init__(self, address: str, watchdog: Optional[float] = None) -> None:
        self.watchdog = watchdog
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Optional[ServiceManager]:
        """Return the one that the environment names, None without one.

        Its variables are taken out: what jobs start is not to speak for the runner.
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
        """Send ``lines``; return False if that cannot be done now, as when nobody reads."""
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()
