"""Rows of other apps that refer to the history are deleted with it as Django does: never unseen."""

import pytest
from django.contrib import admin
from django.db.models.signals import post_delete, pre_delete

from quick_jobs.models import Job, JobExecution, JobRunner
from tests.admin_pages import address, log_in, make_executions, make_job, make_runner, page
from tests.in_use import shop, tags

__all__ = ["shop", "tags"]

OWNERS = ("job", "jobrunner", "jobexecution")


@pytest.fixture
def rows(shop):
    job = make_job()
    (execution,) = make_executions(job, make_runner(job))
    return {"job": execution.job, "jobrunner": execution.runner, "jobexecution": execution}


@pytest.fixture
def registered(shop):
    """Have the site's admin show invoices."""
    admin.site.register(shop.Invoice)
    yield shop.Invoice
    admin.site.unregister(shop.Invoice)


def by_button(client, name, row, **data):
    url = address(f"{name}_delete", row.pk)
    return client.post(url, data, follow=True) if data else client.get(url)


def by_action(client, name, row, **data):
    data = {"action": "delete_selected", "_selected_action": row.pk, **data}
    return client.post(address(f"{name}_changelist"), data, follow=True)


ways = pytest.mark.parametrize("ask", [by_button, by_action])
owners = pytest.mark.parametrize("owner", OWNERS)
deletions = pytest.mark.parametrize(
    ("ask", "owner"),
    [
        (by_button, "job"),
        pytest.param(by_action, "job", marks=pytest.mark.sweeps),
        pytest.param(by_button, "jobrunner", marks=pytest.mark.sweeps),
        pytest.param(by_action, "jobrunner", marks=pytest.mark.sweeps),
        pytest.param(by_button, "jobexecution", marks=pytest.mark.sweeps),
        (by_action, "jobexecution"),
    ],
)


@deletions
def test_what_goes_too_is_named_and_counted(admin_client, rows, shop, ask, owner):
    invoice = shop.Invoice.objects.create(execution=rows["jobexecution"], number=4711)
    shop.Line.objects.create(invoice=invoice)
    shop.Receipt.objects.create(execution=rows["jobexecution"])
    html = ask(admin_client, owner, rows[owner]).content.decode()
    assert "Invoice: No. 4711" in html
    assert "Line: line of No. 4711" in html
    for count in ("Invoices: 1", "Lines: 1", "Receipts: 1", "Executions: 1"):
        assert count in html
    ask(admin_client, owner, rows[owner], post="yes")
    assert not JobExecution.objects.exists()
    assert not shop.Invoice.objects.exists()


@deletions
def test_what_goes_too_takes_its_own_permission(client, rows, shop, registered, ask, owner):
    shop.Invoice.objects.create(execution=rows["jobexecution"])
    log_in(client, *(f"{verb}_{name}" for verb in ("view", "delete") for name in OWNERS))
    html = ask(client, owner, rows[owner]).content.decode()
    assert "permission to delete" in html
    assert "<li>invoice</li>" in html
    assert ask(client, owner, rows[owner], post="yes").status_code == 403
    assert shop.Invoice.objects.exists()


@deletions
def test_what_is_protected_is_refused(admin_client, rows, shop, ask, owner):
    model = {"job": "Audit", "jobrunner": "Claim", "jobexecution": "Loose"}[owner]
    row = getattr(shop, model).objects.create(execution=rows["jobexecution"])
    html = ask(admin_client, owner, rows[owner]).content.decode()
    assert "would require deleting the following protected related objects" in html
    assert f"{model}: {row}" in html
    answer = ask(admin_client, owner, rows[owner], post="yes")
    assert answer.status_code == 200
    assert JobExecution.objects.exists()


@deletions
def test_what_the_database_alone_refuses_is_said(admin_client, rows, shop, ask, owner):
    shop.Trace.objects.create(execution=rows["jobexecution"])
    answer = ask(admin_client, owner, rows[owner], post="yes")
    assert answer.status_code == 200
    assert "Cannot delete" in answer.content.decode()
    assert JobExecution.objects.exists()


@ways
def test_what_refers_to_jobs_and_runners_is_seen(admin_client, rows, shop, ask):
    shop.Shift.objects.create(runner=rows["jobrunner"])
    shop.Duty.objects.create(job=rows["job"])
    assert (
        "protected related objects"
        in ask(admin_client, "jobrunner", rows["jobrunner"]).content.decode()
    )
    assert "Duty: a duty" in ask(admin_client, "job", rows["job"]).content.decode()
    ask(admin_client, "jobrunner", rows["jobrunner"], post="yes")
    assert JobRunner.objects.exists()
    ask(admin_client, "job", rows["job"], post="yes")
    assert not Job.objects.exists()
    assert not shop.Duty.objects.exists()


@deletions
def test_generic_relations_and_links_go_too(admin_client, rows, tags, ask, owner):
    rows["jobexecution"].tags.create()
    tags.Report.objects.create().executions.add(rows["jobexecution"])
    html = ask(admin_client, owner, rows[owner]).content.decode()
    assert "Tag: a tag" in html
    assert "Report-jobexecution relationships: 1" in html
    ask(admin_client, owner, rows[owner], post="yes")
    assert not tags.Tag.objects.exists()
    assert tags.Report.objects.count() == 1


@deletions
def test_what_may_be_set_to_null_is(admin_client, rows, shop, ask, owner):
    remark = shop.Remark.objects.create(execution=rows["jobexecution"])
    ask(admin_client, owner, rows[owner], post="yes")
    remark.refresh_from_db()
    assert remark.execution_id is None


@pytest.mark.parametrize("owner", ["job", "jobrunner"])
def test_executions_that_nobody_refers_to_are_counted_and_not_listed(
    admin_client, rows, shop, owner
):
    execution = rows["jobexecution"]
    make_executions(execution.job, execution.runner, 20)
    shop.Invoice.objects.create(execution=execution)
    html = page(admin_client, f"{owner}_delete", rows[owner].pk)
    assert "Executions: 21" in html
    assert html.count("Execution: ") == 1


@pytest.mark.django_db
@owners
def test_the_signals_of_each_execution_are_sent_where_somebody_listens(admin_client, owner):
    job = make_job()
    executions = make_executions(job, make_runner(job), 3)
    row = {"job": job, "jobrunner": JobRunner.objects.get(), "jobexecution": executions[0]}[owner]
    told = []

    def listen(sender, instance, signal, **kwargs):
        told.append((signal, instance.pk))

    for signal in (pre_delete, post_delete):
        signal.connect(listen, sender=JobExecution)
    try:
        by_button(admin_client, owner, row, post="yes")
    finally:
        for signal in (pre_delete, post_delete):
            signal.disconnect(listen, sender=JobExecution)
    gone = executions[:1] if owner == "jobexecution" else executions
    assert {pk for _, pk in told} == {execution.pk for execution in gone}
    assert {signal for signal, _ in told} == {pre_delete, post_delete}


@pytest.mark.parametrize(
    ("ask", "owner", "views"),
    [
        (by_button, "jobrunner", []),
        pytest.param(by_action, "jobrunner", [], marks=pytest.mark.sweeps),
        pytest.param(by_button, "jobrunner", ["view_jobexecution"], marks=pytest.mark.sweeps),
        pytest.param(by_action, "jobrunner", ["view_jobexecution"], marks=pytest.mark.sweeps),
        pytest.param(by_button, "jobexecution", [], marks=pytest.mark.sweeps),
        pytest.param(by_action, "jobexecution", [], marks=pytest.mark.sweeps),
        pytest.param(by_button, "jobexecution", ["view_jobexecution"], marks=pytest.mark.sweeps),
        (by_action, "jobexecution", ["view_jobexecution"]),
    ],
)
def test_a_job_is_not_named_to_somebody_who_may_not_list_it(client, rows, shop, ask, owner, views):
    shop.Invoice.objects.create(execution=rows["jobexecution"], number=4711)
    log_in(client, f"view_{owner}", *views, *(f"delete_{one}" for one in OWNERS))
    html = ask(client, owner, rows[owner]).content.decode()
    assert "Invoice: No. 4711" in html
    assert "send_emails" not in html
