"""Servers on this machine that remember what they are sent."""

import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn


class WebServer(ThreadingMixIn, HTTPServer):
    daemon_threads = True


@contextlib.contextmanager
def web_server():
    """Give the address of a web server and the paths that it was asked for, in order."""
    paths = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_response(404 if "missing" in self.path else 200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = WebServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", paths
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def silent_server():
    """Give the port of a server that takes connections and never answers, and the number taken."""
    taken = []
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    taken.append(listening.accept())

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listening.getsockname()[1], taken
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for connection, _ in taken:
                connection.close()


@contextlib.contextmanager
def mail_server():
    """Give the port of a mail server, and the messages that it has taken."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Message

    messages = []

    class Handler(Message):
        def handle_message(self, message):
            messages.append(message)

    controller = Controller(Handler(), hostname="127.0.0.1", port=_free_port())
    controller.start()
    try:
        yield controller.port, messages
    finally:
        controller.stop()


def _free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]
