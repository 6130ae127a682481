# The tasks of a contributor: `just` lists them. Each is one line that can be typed as well.

_list:
    @just --list --unsorted

# Make .venv with all that development needs
set-up:
    python3 -m venv .venv
    .venv/bin/pip install -q -e '.[test,dev,browser,docs]'

# Run the sample project, with the admin
demo:
    .venv/bin/python migrations_test_project/manage.py demo

# Run the tests that start no processes, in 25 seconds
quick *options:
    .venv/bin/pytest -n auto -m "not processes" {{options}}

# Run the tests
test *options:
    .venv/bin/pytest -n auto {{options}}

# Run the tests on a server: postgresql or mariadb
test-on database *options:
    QUICK_JOBS_TEST_DATABASE={{database}} .venv/bin/pytest -n auto {{options}}

# Try every combination, and very many rows
sweeps:
    .venv/bin/pytest -n auto -m sweeps

# Look at the admin with a browser
browser:
    .venv/bin/pytest -m browser

# Stop, freeze and kill real servers and runners
faults:
    .venv/bin/pytest -m faults -n 3

# Check style, types and migrations
lint:
    .ci/lint

# Correct the style
format:
    .venv/bin/ruff check --fix
    .venv/bin/ruff format

# Build the documents into build/docs
docs:
    .ci/docs

# Build the package and try it
package:
    .ci/package

# Check what a pull request needs
check: lint test sweeps docs

# Compile the translations
messages:
    cd quick_jobs && ../.venv/bin/django-admin compilemessages

# Make the pictures in the documents again
screenshots:
    .venv/bin/pytest -m browser tests/browser/make_screenshots.py

# Check all that must hold, on Debian and as root
everything:
    bash .ci/run
