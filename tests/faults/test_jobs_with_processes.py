"""Jobs fork, start processes, and leave threads behind: nothing of the runner breaks."""

import time

import pytest

from tests.faults.shops import SLACK, START_RECORD_TIMEOUT, STEADY, stop
from tests.site import WARNINGS, wait_until

pytestmark = pytest.mark.faults

# The child ends in another way each time; none of them may go on as a runner.
FORKS = """
    import itertools

    def returns(env):
        pass

    def raises(env):
        raise ValueError("in the child")

    def exits(env):
        sys.exit("in the child")

    def exits_at_once(env):
        os._exit(3)

    def is_killed(env):
        os.kill(os.getpid(), signal.SIGKILL)

    def is_terminated(env):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    def asks_to_stop(env):
        env.request_stop()

    def uses_the_database(env):
        connections.close_all()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    endings = [returns, raises, exits, exits_at_once, is_killed, is_terminated, asks_to_stop]
    # A child that uses SQLite hangs if another thread was in the library when it was forked.
    if connection.vendor != "sqlite":
        endings.append(uses_the_database)
    endings = itertools.cycle(endings)

    @register_job(interval=0.1)
    def forks(env):
        with seen("forks"), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        end = next(endings)
        child = os.fork()
        if child == 0:
            end(env)
        else:
            os.waitpid(child, 0)
            tell("forked", end.__name__)
"""

PROCESSES = """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    @register_job(interval=0.2)
    def forks_with_multiprocessing(env):
        with seen("forks_with_multiprocessing"):
            process = multiprocessing.get_context("fork").Process(target=len, args=("abc",))
            process.start()
            process.join()
            assert process.exitcode == 0

    @register_job(interval=1)
    def has_a_pool_of_processes(env):
        with seen("has_a_pool_of_processes"):
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                assert pool.submit(pow, 2, 3).result() == 8

    @register_job(interval=0.2)
    def runs_a_command(env):
        with seen("runs_a_command"):
            subprocess.run(["true"], check=True)

    @register_job(interval=0.5)
    def leaves_a_process_behind(env):
        with seen("leaves_a_process_behind"):
            subprocess.run("sleep 60 >/dev/null 2>&1 &", shell=True, check=True)
"""

THREADS = """
    def goes_on(end):
        while time.monotonic() < end:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            time.sleep(0.05)
        connections.close_all()

    @register_job(interval=0.5)
    def leaves_a_thread_behind(env):
        with seen("leaves_a_thread_behind"):
            end = time.monotonic() + 1
            threading.Thread(target=goes_on, args=(end,)).start()

    @register_job(interval=3600)
    def leaves_a_daemon_behind(env):
        with seen("leaves_a_daemon_behind"):
            threading.Thread(target=goes_on, args=(float("inf"),), daemon=True).start()
"""


def start(shop, *jobs):
    shop.jobs(STEADY, *jobs)
    # Python 3.12 warns of every fork of a process with threads.
    forks = "ignore:This process:DeprecationWarning"
    return shop.start("run_jobs", env={"PYTHONWARNINGS": ",".join([*WARNINGS, forks])})


def assert_nothing_breaks(shop, runner):
    shop.wait_for_heartbeat()
    asked = time.monotonic()
    stop(runner)
    assert time.monotonic() - asked < 5
    # The disk may be busy with the processes that start: a start waits for its record so long.
    shop.assert_no_start_was_late(START_RECORD_TIMEOUT + SLACK)
    shop.assert_history_is_true()
    assert "CRITICAL" not in runner.output


def test_a_job_that_forks_hurts_nobody(any_shop):
    shop = any_shop
    shop.settings("DATABASES['default']['CONN_MAX_AGE'] = None")
    runner = start(shop, FORKS)
    wait_until(lambda: sum(event == "forked" for event, *_ in shop.told()) >= 24, 40)
    assert_nothing_breaks(shop, runner)
    assert len(shop.runners()) == 1


def test_a_job_that_starts_processes_hurts_nobody(any_shop):
    runner = start(any_shop, PROCESSES)
    any_shop.wait_for_more(5, 40, job__name="shop.jobs.has_a_pool_of_processes")
    assert_nothing_breaks(any_shop, runner)


def test_a_job_whose_threads_outlive_it_hurts_nobody(any_shop):
    runner = start(any_shop, THREADS)
    any_shop.wait_for_more(8, 40, job__name="shop.jobs.leaves_a_thread_behind")
    assert_nothing_breaks(any_shop, runner)
