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
from django.db import connection, transaction
from django.utils import timezone

from quick_jobs.models import Job, JobRunner
from shop.history.one_day import make_day

HOST = "127.0.0.1"
PORTS = range(8000, 8100)
LOGIN = PASSWORD = "admin"

# After the first lines of the log, which may have scrolled the address away.
SECONDS_OF_FIRST_LINES = 3


class Command(BaseCommand):
    help = "Migrates, makes a login, and runs the jobs with the admin served beside them."

    def add_arguments(self, parser):
        parser.add_argument(
            "--with-history",
            action="store_true",
            help="Begins with a made-up day of history, if there is no history yet.",
        )

    def handle(self, **options):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # run_jobs has its own
        with contextlib.suppress(KeyboardInterrupt):
            self.run(options["with_history"])
        self.stdout.write("Stopped.")

    def run(self, with_history):
        call_command("migrate", verbosity=0)
        users = get_user_model().objects
        if not users.filter(username=LOGIN).exists():
            users.create_superuser(LOGIN, "admin@example.com", PASSWORD)
        if with_history:
            self.make_history()
        server = start_server()
        where = (
            f"\nThe admin is at http://{HOST}:{server.server_port}/admin/\n"
            f"Log in as {LOGIN} with the password {PASSWORD}. Ctrl-C stops everything.\n"
        )
        again = threading.Timer(SECONDS_OF_FIRST_LINES, self.say, [where])
        again.daemon = True
        try:
            if not with_history:
                self.stdout.write(
                    f"To begin with a day of history, delete {connection.settings_dict['NAME']} "
                    "and add --with-history.\n"
                )
            self.say(where)
            again.start()
            call_command("run_jobs")
        finally:
            again.cancel()
            server.shutdown()
            server.server_close()

    def say(self, text):
        self.stdout.write(text)
        self.stdout.flush()

    def make_history(self):
        if JobRunner.objects.exists() or Job.objects.exists():
            self.stdout.write("There is a history already: nothing is made up.")
            return
        with transaction.atomic():
            make_day(timezone.now())
        self.stdout.write('Made up a day of history, of runners with "(made up)" in their names.')


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
