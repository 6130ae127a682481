"""The messages to the runner's loop: ends of executions, from the history, and from signals."""

from __future__ import annotations

from queue import Empty
from typing import Any, Callable, Dict, NamedTuple, Optional, Union

from quick_jobs.history.messages import HistoryMessage
from quick_jobs.mailbox import Mailbox
from quick_jobs.runner.execution import Execution

# Messages handled before the clock is read again.
_MESSAGES_AT_ONCE = 1000

# While more executions than this wait for a thread, ends do not wake the loop, because that would
# interrupt the workers each time. The loop finds the ends when it checks those that wait.
_MANY_WAITING = 20


class StopRequested(NamedTuple):
    """A signal asks the runner to stop."""

    signal: str


Message = Union[Execution, HistoryMessage, StopRequested]


class Inbox:
    """A mailbox whose messages are handled by type."""

    def __init__(self, handlers: Dict[type, Callable[[Any], None]]) -> None:
        self._mailbox: Mailbox[Message] = Mailbox()
        self._handlers = handlers
        self.put = self._mailbox.put
        self.wake = self._mailbox.wake

    def put_ended(self, execution: Execution, waiting: int) -> None:
        """Add an execution that has ended; wake the loop unless many others wait for a thread."""
        if waiting > _MANY_WAITING:
            self._mailbox.put_quietly(execution)
        else:
            self._mailbox.put(execution)

    def handle_all(self, timeout: Optional[float]) -> None:
        """Handle the messages there are, waiting ``timeout`` seconds for the first one."""
        handlers = self._handlers
        try:
            message = self._mailbox.get(timeout)
        except Empty:
            return
        handlers[type(message)](message)
        for message in self._mailbox.get_waiting(_MESSAGES_AT_ONCE):
            handlers[type(message)](message)

    def wait_for(self, kind: type, timeout: float) -> None:
        """Drop messages until one of this ``kind`` comes, or none in ``timeout`` seconds."""
        try:
            while not isinstance(self._mailbox.get(timeout), kind):
                pass
        except Empty:
            pass
