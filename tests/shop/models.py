"""Every way to refer to a row of the history."""

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models

EXECUTION, RUNNER, JOB = "quick_jobs.JobExecution", "quick_jobs.JobRunner", "quick_jobs.Job"


class Invoice(models.Model):
    execution = models.ForeignKey(EXECUTION, models.CASCADE, related_name="+")
    number = models.IntegerField(default=7)

    def __str__(self):
        return f"No. {self.number}"


class Line(models.Model):
    invoice = models.ForeignKey(Invoice, models.CASCADE)

    def __str__(self):
        return f"line of {self.invoice}"


class Receipt(models.Model):
    execution = models.OneToOneField(EXECUTION, models.CASCADE, primary_key=True)


class Audit(models.Model):
    execution = models.ForeignKey(EXECUTION, models.PROTECT)

    def __str__(self):
        return "an audit"


class Claim(models.Model):
    # Django 2.2 and 3.0 have no RESTRICT.
    execution = models.ForeignKey(EXECUTION, getattr(models, "RESTRICT", models.PROTECT))


class Remark(models.Model):
    execution = models.ForeignKey(EXECUTION, models.SET_NULL, null=True)


class Trace(models.Model):
    execution = models.ForeignKey(EXECUTION, models.DO_NOTHING)


class Loose(models.Model):
    execution = models.ForeignKey(EXECUTION, models.PROTECT, db_constraint=False)


class Forgotten(models.Model):
    execution = models.ForeignKey(EXECUTION, models.DO_NOTHING, db_constraint=False)


class Report(models.Model):
    executions = models.ManyToManyField(EXECUTION)


class Shift(models.Model):
    runner = models.ForeignKey(RUNNER, models.PROTECT, to_field="key")

    def __str__(self):
        return "a shift"


class Duty(models.Model):
    job = models.ForeignKey(JOB, models.CASCADE, to_field="name")

    def __str__(self):
        return "a duty"


class Tag(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=40)
    tagged = GenericForeignKey()

    def __str__(self):
        return "a tag"


class Mark(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    marked = GenericForeignKey()
