"""A TCP proxy that makes the way to a server longer."""

import contextlib
import queue
import socket
import threading
import time


class SlowLink:
    """Passes on everything to and from ``port``, each way ``delay`` seconds later."""

    def __init__(self, port, delay):
        self._server = port
        self._delay = delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        _start(self._accept)

    def close(self):
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                for source, target in ((client, server), (server, client)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    on_its_way = queue.Queue()
                    _start(self._take, source, on_its_way)
                    _start(self._deliver, on_its_way, target)

    def _take(self, source, on_its_way):
        data = b"-"
        while data:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            on_its_way.put((time.monotonic() + self._delay, data))

    def _deliver(self, on_its_way, target):
        data = b"-"
        while data:
            due, data = on_its_way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            with contextlib.suppress(OSError):
                target.sendall(data) if data else target.shutdown(socket.SHUT_WR)


def _start(function, *args):
    threading.Thread(target=function, args=args, daemon=True).start()
