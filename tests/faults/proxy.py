"""A TCP proxy that loses answers of the server, or lets its connections fall silent."""

import contextlib
import re
import select
import socket
import threading


class Proxy:
    """Passes on everything to and from the server at ``server_port`` of this machine."""

    def __init__(self, server_port):
        self.lost = 0
        self._server_port = server_port
        self._pattern = None
        self._matches = 0
        self.swallowed = 0
        self._silencing = None
        self._served = set()
        self._silent = set()
        self._is_over, self._end = socket.socketpair()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(100)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def lose_answers(self, pattern):
        """Break off when the answer comes to every third request that ``pattern`` is found in.

        A transaction of two such requests that loses one gets through with the next try.
        """
        self._pattern = re.compile(pattern)

    def silence(self):
        """Swallow all that comes on the connections there are now, and never end them."""
        self._silent.update(self._served)

    def silence_at(self, pattern):
        """Let the connection fall silent that brings the first request with ``pattern`` in it."""
        self._silencing = re.compile(pattern)

    def close(self):
        self._end.close()  # which makes the other end readable, for all who look at it
        for thread in self._threads:
            thread.join(20)
        self._is_over.close()
        self._listener.close()

    def _accept(self):
        while True:
            readable, _, _ = select.select([self._listener, self._is_over], [], [])
            if self._is_over in readable:
                return
            client, _ = self._listener.accept()
            self._threads.append(threading.Thread(target=self._serve, args=(client,)))
            self._threads[-1].start()

    def _serve(self, client):
        with client, socket.socket() as server, contextlib.suppress(ConnectionError):
            server.connect(("127.0.0.1", self._server_port))
            self._served.add(client)
            try:
                self._pass_on(client, server)
            finally:
                self._served.discard(client)

    def _pass_on(self, client, server):
        is_doomed = False
        while True:
            readable, _, _ = select.select([client, server, self._is_over], [], [])
            if self._is_over in readable:
                return
            for source in readable:
                data = source.recv(65536)
                if not data:
                    return
                if self._falls_silent(source is client, data):
                    self._silent.add(client)
                if client in self._silent:
                    self.swallowed += 1
                    continue
                if source is server and is_doomed:
                    self.lost += 1
                    return
                (server if source is client else client).sendall(data)
                if source is client:
                    is_doomed = self._is_to_be_lost(data) or is_doomed

    def _falls_silent(self, is_request, data):
        if not is_request or self._silencing is None or not self._silencing.search(data):
            return False
        self._silencing = None
        return True

    def _is_to_be_lost(self, data):
        if self._pattern is None or not self._pattern.search(data):
            return False
        self._matches += 1
        return self._matches % 3 == 0
