"""The size of a batch of a pruning, learnt from how long the batches before it took."""

from quick_jobs.history.batch_size import BatchSize


def test_a_batch_grows_twofold_while_it_is_fast():
    size = BatchSize(most=1000, seconds=0.05)
    seen = []
    for _ in range(5):
        seen.append(size.rows)
        size.learn(deleted=size.rows, seconds=0.001)
    assert seen == [100, 200, 400, 800, 1000]


def test_a_batch_shrinks_when_it_is_slow_but_not_for_ever():
    size = BatchSize(most=1000, seconds=0.05)
    size.rows = 1000
    seen = []
    for _ in range(4):
        size.learn(deleted=size.rows, seconds=1)
        seen.append(size.rows)
    assert seen == [500, 250, 125, 100]


def test_a_batch_settles_where_it_takes_its_time():
    size = BatchSize(most=100_000, seconds=0.05)
    for _ in range(20):
        size.learn(deleted=size.rows, seconds=size.rows * 0.00001)
    assert 0.04 < size.rows * 0.00001 < 0.06


def test_what_even_the_smallest_batch_takes_does_not_count():
    size = BatchSize(most=100_000, seconds=0.05)
    for _ in range(40):
        size.learn(deleted=size.rows, seconds=0.2 + size.rows * 0.00001)
    assert 0.04 < size.rows * 0.00001 < 0.06


def test_a_batch_finds_its_size_when_the_disk_becomes_slow_and_fast_again():
    size = BatchSize(most=100_000, seconds=0.05)
    for fixed, longest in ((0.001, 0.06), (0.2, 0.06), (0.001, 0.11)):
        for _ in range(60):
            size.learn(deleted=size.rows, seconds=fixed + size.rows * 0.00001)
        assert 0.04 < size.rows * 0.00001 < longest


def test_a_batch_that_others_were_in_the_way_of_is_halved():
    size = BatchSize(most=1000, seconds=0.05)
    size.rows = 300
    seen = []
    for _ in range(3):
        size.shrink()
        seen.append(size.rows)
    assert seen == [150, 100, 100]


def test_a_batch_of_which_little_was_deleted_proves_little():
    size = BatchSize(most=50_000, seconds=0.05)
    size.rows = 40_000
    size.learn(deleted=10, seconds=0.001)
    assert size.rows == 1000


def test_a_batch_is_never_larger_than_asked_for():
    size = BatchSize(most=10, seconds=0.05)
    for seconds in (0, 1, 0):
        size.learn(deleted=10, seconds=seconds)
        assert size.rows == 10
