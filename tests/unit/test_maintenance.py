from quick_jobs.runner.maintenance import Maintenance

HOUR = 3600.0


def maintenance(prunes=False, random=0.0):
    return Maintenance(15.0, prunes=prunes, now=100.0, random=lambda: random)


def test_a_heartbeat_is_due_an_interval_after_the_start_and_after_the_one_before():
    upkeep = maintenance()
    assert upkeep.next_due == 115.0
    assert not upkeep.beat_is_due(114.9)
    assert upkeep.beat_is_due(115.0)
    assert not upkeep.beat_is_due(129.9)
    assert upkeep.next_due == 130.0


def test_a_stall_is_followed_by_one_heartbeat():
    upkeep = maintenance()
    assert upkeep.beat_is_due(1000.0)
    assert not upkeep.beat_is_due(1000.0)
    assert upkeep.next_due == 1015.0


def test_without_a_retention_pruning_is_never_due():
    assert not maintenance().pruning_is_due(1000 * HOUR)


def test_pruning_is_due_soon_and_then_about_once_an_hour_as_chance_has_it():
    upkeep = maintenance(prunes=True, random=0.5)
    assert upkeep.next_due == 107.5
    assert not upkeep.pruning_is_due(107.4)
    assert upkeep.pruning_is_due(107.5)
    assert not upkeep.pruning_is_due(107.5 + HOUR - 0.1)
    assert upkeep.pruning_is_due(107.5 + HOUR)


def test_runners_that_start_together_do_not_prune_together():
    early, late = maintenance(prunes=True, random=0.0), maintenance(prunes=True, random=0.9)
    assert early.pruning_is_due(105.0)
    assert not late.pruning_is_due(105.0)
    assert late.pruning_is_due(109.5)
    assert early.pruning_is_due(105.0 + 0.9 * HOUR)
    assert not late.pruning_is_due(109.5 + 1.07 * HOUR)
