"""One job for each way that an execution can go."""

import random
from datetime import timedelta

from django.utils import timezone

from quick_jobs import RunEnv, at, register_job
from shop.models import Order


@register_job(interval=10)
def place_orders(env: RunEnv):
    """Is done at once: a few customers order something."""
    Order.objects.bulk_create(Order() for _ in range(random.randint(1, 4)))


@register_job(interval=5, variance=5)
def pack_an_order(env: RunEnv):
    """Works off a queue: packs one order, and runs again at once while there may be more."""
    order = Order.objects.filter(packed_at=None).first()
    if order is None:
        return
    # Another runner may have been faster: then this changes nothing.
    Order.objects.filter(pk=order.pk, packed_at=None).update(packed_at=timezone.now())
    env.request_rerun()


@register_job(interval=timedelta(minutes=1))
def take_stock(env: RunEnv):
    """Takes long, and is interrupted at once when the runner stops."""
    for _shelf in range(20):
        env.sleep(1)


@register_job(interval=15, variance=5)
def ask_the_supplier(env: RunEnv):
    """Fails now and then."""
    if random.random() < 0.4:
        raise ConnectionError("The supplier does not answer")


@register_job(interval=20, timeout=timedelta(seconds=10))
def update_prices(env: RunEnv):
    """Has a timeout, and keeps it; were it to hang, the runner would stop with an error."""
    env.sleep(random.uniform(1, 3))


@register_job(at("03:00"), resume=True)
def forget_old_orders(env: RunEnv):
    """Runs every night, or as soon as there is a runner again: deletes what was packed long ago."""
    Order.objects.filter(packed_at__lt=env.due_at - timedelta(days=30)).delete()
