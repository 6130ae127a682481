"""A page for monitoring: how the jobs are doing, as JSON or as metrics for Prometheus."""

from __future__ import annotations

import hmac
import json
from typing import Any, Callable

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections, router, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from quick_jobs.conf import conf
from quick_jobs.health import Health
from quick_jobs.health.reading import read_health
from quick_jobs.health.reports import METRICS_TYPE, as_json, as_metrics
from quick_jobs.health.successes import last_successes
from quick_jobs.logs import get_logger
from quick_jobs.models import JobExecution

logger = get_logger("quick_jobs")

_JSON_TYPE = "application/json"

#: The values of the parameter ``format``.
_PROMETHEUS = "prometheus"


def _without_transactions(view: Callable[..., Any]) -> Callable[..., Any]:
    """Exempt the view from ``ATOMIC_REQUESTS``: the database may be away."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


@_without_transactions
@csrf_exempt
@never_cache
def status(request: HttpRequest) -> HttpResponse:
    """Answer with 200 if nothing is wrong, and with 503 if something is or it is not known.

    With ``?format=prometheus`` it is 200 whenever there are metrics: Prometheus discards those of
    other answers. Only active staff, and requests with the token, get an answer.
    """
    if not (_has_token(request) or _is_staff(request)):
        raise Http404
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    is_for_prometheus = request.GET.get("format") == _PROMETHEUS
    try:
        health = read_health()
        jobs = (job.facts for job in health.jobs)
        successes = last_successes(router.db_for_read(JobExecution), jobs)
    except (Error, ImproperlyConfigured) as error:
        logger.error("The state of the jobs cannot be read", exc_info=error)
        return _nobody_can_say(is_for_prometheus)
    if is_for_prometheus:
        return HttpResponse(as_metrics(health, successes), content_type=METRICS_TYPE)
    with translation.override("en"):
        content = json.dumps(as_json(_without_errors(health), successes), indent=2)
    return HttpResponse(content, content_type=_JSON_TYPE, status=200 if health.is_well else 503)


def _nobody_can_say(is_for_prometheus: bool) -> HttpResponse:
    if is_for_prometheus:
        return HttpResponse("", content_type=METRICS_TYPE, status=503)
    content = json.dumps({"healthy": None, "error": "The database cannot be asked."})
    return HttpResponse(content, content_type=_JSON_TYPE, status=503)


def _without_errors(health: Health) -> Health:
    return health._replace(of_site=[finding.without_errors() for finding in health.of_site])


def _has_token(request: HttpRequest) -> bool:
    try:
        token = conf.status_token
    except ImproperlyConfigured:  # the system check reports it
        return False
    scheme, _space, given = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if token is None or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(_bytes_of_header(given.strip()), token.encode("utf-8"))


def _bytes_of_header(value: str) -> bytes:
    """Return the bytes as they were sent; servers decode them as Latin-1."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


def _is_staff(request: HttpRequest) -> bool:
    try:
        user = getattr(request, "user", None)
        return bool(user is not None and user.is_active and user.is_staff)
    except Error:  # the database with the sessions is away too
        return False
