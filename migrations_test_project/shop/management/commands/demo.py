"""``manage.py demo``: the sample jobs at work, with the admin to watch them."""

import contextlib
import logging
import signal
import threading

from django.contrib.auth import get_user_model
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

HOST = "127.0.0.1"
PORTS = range(8000, 8100)
LOGIN = PASSWORD = "admin"


class Command(BaseCommand):
    help = "Migrates, makes a login, and runs the jobs with the admin served beside them."

    def handle(self, **options):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # run_jobs has its own
        with contextlib.suppress(KeyboardInterrupt):
            self.run()
        self.stdout.write("Stopped.")

    def run(self):
        call_command("migrate", verbosity=0)
        users = get_user_model().objects
        if not users.filter(username=LOGIN).exists():
            users.create_superuser(LOGIN, "admin@example.com", PASSWORD)
        server = start_server()
        try:
            self.stdout.write(
                f"\nThe admin is at http://{HOST}:{server.server_port}/admin/\n"
                f"Log in as {LOGIN} with the password {PASSWORD}. Ctrl-C stops everything.\n\n"
            )
            self.stdout.flush()
            call_command("run_jobs")
        finally:
            server.shutdown()
            server.server_close()


def start_server():
    """Return a server of the site, in a thread of its own, on the first port that is free."""
    logging.getLogger("django.server").setLevel(logging.ERROR)
    server = first_free_server()
    server.daemon_threads = True
    server.set_app(StaticFilesHandler(WSGIHandler()))
    threading.Thread(target=server.serve_forever, name="admin", daemon=True).start()
    return server


def first_free_server():
    for port in PORTS:
        try:
            return ThreadedWSGIServer((HOST, port), WSGIRequestHandler)
        except OSError:
            continue
    raise CommandError(f"No port from {PORTS[0]} to {PORTS[-1]} is free.")
