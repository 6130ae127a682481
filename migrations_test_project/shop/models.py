"""Orders, which are also the queue that ``shop.jobs.pack_an_order`` works off."""

from django.db import models


class Order(models.Model):
    id = models.BigAutoField(primary_key=True)
    placed_at = models.DateTimeField(auto_now_add=True)
    packed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("id",)

    def __str__(self):
        return f"Order {self.pk}"
