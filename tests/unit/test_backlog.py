from __future__ import annotations

import json
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quick_jobs.history.backlog import Backlog
from quick_jobs.history.record import Record, Words

ROOMY = 10**9
LIMIT = 100
MOST_OF_A_KIND = 4  # in a batch of the stateful test


def start(number):
    return Record(number, "shop.jobs.tidy", 1000.0, None, None, None, "running", "", "")


def end(number, traceback="", outcome="failed"):
    return Record(
        number, "shop.jobs.tidy", 1000.5, 1002.0, 1.5, 0.25, outcome, "KeyError: 'x'", traceback
    )


def numbers(records):
    return [record.number for record in records]


def size(records):
    return sum(record.size for record in records)


# Records.


def test_a_record_is_an_end_when_it_has_finished():
    assert not start(1).is_end
    assert end(1).is_end


def test_the_size_of_a_record_is_half_a_kilobyte_and_that_of_its_texts():
    small = start(1).size
    assert 500 <= small <= 700
    assert small + 10_000 <= end(1, traceback="x" * 10_000).size <= small + 10_500


def test_the_words_of_a_record_are_in_its_size():
    small = end(1).size
    large = end(1)._replace(words=Words(note="x" * 255, log="x" * 10_000, fingerprint="E")).size
    assert small + 10_255 <= large <= small + 11_000


def test_what_a_database_refuses_is_tried_in_ascii_then_cut_and_last_without_words():
    log = "\N{SNAKE}" * 50_000
    record = end(1, traceback="x" * 1000)._replace(words=Words("ü", 1.0, 2.0, log, "E in f"))
    assert record.is_long
    forms = list(record.in_less_and_less())
    assert [form.words and form.words.note for form in forms] == ["\\xfc", "\\xfc", None, None]
    assert [len(form.words.log) for form in forms[:2]] == [500_000, 32 * 1024 - 1]
    assert forms[1].words[1:3] == (1.0, 2.0)
    assert [form.is_cut_from(record) for form in forms] == [False, True, True, True]
    assert [len(form.traceback) for form in forms] == [1000, 1000, 127, 0]


def test_words_are_told_with_the_rest_in_json():
    line = end(1)._replace(words=Words("14 sent", 1.0, None, "a\n", "E in f")).as_json()
    told = json.loads(line)
    assert "words" not in told
    assert (told["note"], told["log"], told["progress_done"]) == ("14 sent", "a\n", 1.0)


def test_a_record_in_ascii_has_an_escape_for_every_other_character():
    record = end(1, traceback="Grüße \N{SNAKE}")._replace(error="Ä" * 255)
    in_ascii = record.in_ascii()
    assert in_ascii.traceback == "Gr\\xfc\\xdfe \\U0001f40d"
    assert in_ascii.error == ("\\xc4" * 255)[:255]
    assert in_ascii._replace(error="", traceback="") == record._replace(error="", traceback="")


def test_a_record_is_written_as_one_line_of_json_with_times_in_iso_8601():
    line = end(7, traceback="a\nGrüße \udc80").as_json()
    assert line.isprintable()
    assert json.loads(line) == {
        "number": 7,
        "job": "shop.jobs.tidy",
        "started_at": "1970-01-01T00:16:40.500000+00:00",
        "finished_at": "1970-01-01T00:16:42+00:00",
        "duration": 1.5,
        "lateness": 0.25,
        "outcome": "failed",
        "error": "KeyError: 'x'",
        "traceback": "a\nGrüße \udc80",
        "due_at": None,
        "cpu_time": None,
    }


def test_a_start_is_written_as_json_without_the_time_at_which_it_finished():
    assert json.loads(start(7).as_json())["finished_at"] is None


# What a batch holds.


def test_it_is_empty_at_first():
    backlog = Backlog(ROOMY)
    assert not backlog.has_waiting()
    assert backlog.take(LIMIT) == []
    assert backlog.unsaved() == []


def test_records_are_taken_once_and_in_order():
    backlog = Backlog(ROOMY)
    backlog.put([start(1), end(2), start(3), end(4)])
    assert backlog.has_waiting()
    assert backlog.take(LIMIT) == [start(1), start(3), end(2), end(4)]
    assert not backlog.has_waiting()
    backlog.confirm()
    assert backlog.take(LIMIT) == []


def test_a_batch_is_filled_with_starts_and_then_with_ends():
    backlog = Backlog(ROOMY)
    backlog.put([end(number) for number in range(10, 15)])
    backlog.put([start(number) for number in range(5)])
    for batch in ([0, 1, 2], [3, 4, 10], [11, 12, 13], [14], []):
        assert numbers(backlog.take(3)) == batch
        backlog.confirm()


def test_ends_that_have_piled_up_come_beside_as_many_starts():
    backlog = Backlog(ROOMY)
    backlog.put([start(number) for number in range(8)])
    backlog.put([end(number) for number in range(10, 1013)])
    for batch in ([0, 1, 10, 11], [2, 3, 12, 13], [4, 5], [6, 7], [14, 15]):
        assert numbers(backlog.take(2)) == batch
        backlog.confirm()


def test_an_end_takes_the_place_of_a_start_that_was_not_written():
    backlog = Backlog(ROOMY)
    backlog.put([start(1)])
    backlog.put([end(1)])
    assert backlog.take(LIMIT) == [end(1)]


def test_an_end_that_comes_while_its_start_is_written_is_in_the_next_batch():
    backlog = Backlog(ROOMY)
    backlog.put([start(1)])
    assert backlog.take(LIMIT) == [start(1)]
    backlog.put([end(1)])
    backlog.confirm()
    assert backlog.take(LIMIT) == [end(1)]


def test_what_was_put_back_is_taken_again():
    backlog = Backlog(ROOMY)
    backlog.put([start(1), end(2)])
    backlog.take(LIMIT)
    backlog.put_back()
    assert backlog.take(LIMIT) == [start(1), end(2)]


@pytest.mark.parametrize("when", ["while it is written", "after it was put back"])
def test_a_start_that_was_put_back_makes_way_for_its_end(when):
    backlog = Backlog(ROOMY)
    backlog.put([start(1)])
    backlog.take(LIMIT)
    if when == "while it is written":
        backlog.put([end(1)])
        backlog.put_back()
    else:
        backlog.put_back()
        backlog.put([end(1)])
    assert backlog.take(LIMIT) == [end(1)]


@pytest.mark.parametrize(
    ("first", "then", "answer"),
    [([], [], False), ([], [start(1)], True), ([], [end(1)], True), ([start(1)], [end(1)], False)],
    ids=["nothing", "a start", "an end", "more"],
)
def test_it_tells_when_there_is_something_to_take_again(first, then, answer):
    backlog = Backlog(ROOMY)
    backlog.put(first)
    assert backlog.put(then) is answer


def test_it_tells_when_there_is_something_to_take_besides_the_batch():
    backlog = Backlog(ROOMY)
    backlog.put([start(1)])
    backlog.take(LIMIT)
    assert backlog.put([start(2)]) is True


def test_a_start_is_there_until_it_is_taken_and_while_it_is_in_doubt():
    backlog = Backlog(ROOMY)
    backlog.put([start(1), end(2)])
    assert [backlog.has_start(number) for number in (1, 2, 3)] == [True, False, False]
    backlog.take(LIMIT)
    backlog.put_back()
    assert backlog.has_start(1)
    backlog.take(LIMIT)
    backlog.confirm()
    assert not backlog.has_start(1)


# Starts that are taken back.


def test_a_start_that_waits_can_be_taken_back():
    backlog = Backlog(ROOMY)
    backlog.put([start(1), start(2)])
    assert backlog.forget(1) is True
    assert backlog.take(LIMIT) == [start(2)]


def test_a_start_that_may_be_on_record_cannot_be_taken_back():
    backlog = Backlog(ROOMY)
    backlog.put([start(1)])
    backlog.take(LIMIT)
    assert backlog.forget(1) is False
    backlog.put_back()
    assert backlog.forget(1) is False
    backlog.take(LIMIT)
    backlog.confirm()
    assert backlog.forget(1) is False


def test_a_start_that_is_not_known_cannot_be_taken_back():
    assert Backlog(ROOMY).forget(1) is False


# What is not saved.


def test_unsaved_has_what_waits_or_is_being_written_in_order_once_per_execution():
    backlog = Backlog(ROOMY)
    backlog.put([start(4), end(2), start(1)])
    backlog.take(LIMIT)
    backlog.put([end(4), start(5), end(3)])
    assert backlog.unsaved() == [start(1), end(2), end(3), end(4), start(5)]
    backlog.confirm()
    assert backlog.unsaved() == [end(3), end(4), start(5)]
    backlog.take(LIMIT)
    backlog.put_back()
    assert backlog.unsaved() == [end(3), end(4), start(5)]


# Bounded memory.


def test_the_newest_ends_are_kept_and_those_dropped_are_counted():
    backlog = Backlog(capacity=3 * end(0).size)
    backlog.put([end(number) for number in range(10)])
    assert backlog.dropped == 7
    assert numbers(backlog.unsaved()) == [7, 8, 9]
    backlog.put([end(10)])
    assert backlog.dropped == 8
    assert numbers(backlog.take(LIMIT)) == [8, 9, 10]


def test_an_execution_of_which_the_database_never_heard_is_dropped_with_its_start():
    backlog = Backlog(capacity=2 * end(0).size)
    for number in range(5):
        backlog.put([start(number)])
        backlog.put([end(number)])
    assert backlog.take(LIMIT) == [end(3), end(4)]
    assert backlog.dropped == 3


def test_an_end_that_is_larger_than_the_memory_is_dropped():
    backlog = Backlog(capacity=10_000)
    assert backlog.put([end(1, traceback="x" * 10_000)]) is False
    assert backlog.dropped == 1
    assert not backlog.has_waiting()


@pytest.mark.parametrize("answer", ["confirm", "put_back"])
def test_an_end_whose_start_may_be_on_record_is_never_dropped(answer):
    backlog = Backlog(capacity=1)
    backlog.put([start(1)])
    backlog.take(LIMIT)
    getattr(backlog, answer)()
    backlog.put([end(1), end(2)])
    assert backlog.dropped == 1
    assert backlog.take(LIMIT) == [end(1)]


def test_an_end_that_may_be_on_record_itself_is_never_dropped():
    backlog = Backlog(capacity=end(0).size)
    backlog.put([end(1)])
    backlog.take(LIMIT)
    backlog.put_back()
    backlog.put([end(2)])
    assert backlog.dropped == 1
    assert backlog.take(LIMIT) == [end(1)]


def test_starts_of_running_jobs_are_never_dropped():
    backlog = Backlog(capacity=1)
    backlog.put([start(1), start(2)])
    assert backlog.take(LIMIT) == [start(1), start(2)]
    assert backlog.dropped == 0


def test_what_was_saved_dropped_or_taken_back_makes_room():
    room = 4 * end(0).size
    backlog = Backlog(capacity=room)
    for round_ in range(0, 1000, 10):
        backlog.put([start(round_), start(round_ + 1), start(round_ + 2), end(round_ + 3)])
        backlog.forget(round_)
        backlog.take(LIMIT)
        backlog.put([end(round_ + 1)])
        backlog.put_back()
        backlog.put([end(round_ + 2)])
        while backlog.take(LIMIT):
            backlog.confirm()
    assert backlog.dropped == 0
    backlog.put([end(number, traceback="x" * room) for number in range(2000, 2010)])
    assert backlog.dropped == 10
    backlog.put([end(number) for number in range(3000, 3004)])
    assert numbers(backlog.unsaved()) == [3000, 3001, 3002, 3003]


def test_a_long_outage_does_not_fill_the_memory():
    """Also when each of many tries is made while other jobs run."""
    capacity = 100 * end(0).size
    backlog = Backlog(capacity)
    for number in range(0, 10_000, 10):
        backlog.put([start(each) for each in range(number, number + 10)])
        backlog.take(LIMIT)
        backlog.put_back()
        backlog.put([end(each) for each in range(number, number + 10)])
    assert size(backlog.unsaved()) <= capacity
    assert backlog.dropped >= 9900


def test_records_of_many_threads_all_arrive():
    backlog = Backlog(ROOMY)
    arrived = []

    def put(first):
        for number in range(first, first + 1000):
            backlog.put([start(number)])
            backlog.put([end(number)])

    threads = [threading.Thread(target=put, args=(first,)) for first in (0, 1000)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or backlog.has_waiting():
        arrived += backlog.take(LIMIT)
        backlog.confirm()
    assert sorted(numbers(each for each in arrived if each.is_end)) == list(range(2000))


class Recording(RuleBasedStateMachine):
    """A database that fails at any time, before the commit or after it.

    Every execution ends up in it exactly once, in a state that happened, and
    its end is what stays; none that was taken back is ever there. What is
    missing was counted as dropped, and was never there either.
    """

    def __init__(self):
        super().__init__()
        self.database = {}
        self.happened = {}  # by number, what was put, in order
        self.taken_back = set()
        self.tried = set()
        self.confirmed = set()
        self.in_flight = None

    @initialize(capacity=st.sampled_from([1, 3000, 10_000, ROOMY]))
    def begin(self, capacity):
        self.capacity = capacity
        self.backlog = Backlog(capacity)

    def last_number(self):
        return len(self.happened)

    def waits_for_its_end(self):
        return [
            number
            for number, records in self.happened.items()
            if not records[-1].is_end and number not in self.taken_back
        ]

    def put(self, records):
        dropped = self.backlog.dropped
        held = size(self.backlog.unsaved()) + size(self.in_flight or []) + size(records)
        for record in records:
            self.happened.setdefault(record.number, []).append(record)
        self.backlog.put(records)
        if self.backlog.dropped > dropped:
            assert held > self.capacity, "dropped without need"

    @rule(count=st.integers(1, 5))
    def jobs_start(self, count):
        first = self.last_number() + 1
        self.put([start(number) for number in range(first, first + count)])

    @precondition(waits_for_its_end)
    @rule(data=st.data(), length=st.integers(0, 2000))
    def jobs_end(self, data, length):
        ended = data.draw(st.sets(st.sampled_from(self.waits_for_its_end()), min_size=1))
        self.put([end(number, "x" * length, f"outcome {number}") for number in sorted(ended)])

    @precondition(waits_for_its_end)
    @rule(data=st.data())
    def start_is_taken_back(self, data):
        number = data.draw(st.sampled_from(self.waits_for_its_end()))
        if self.backlog.forget(number):
            assert number not in self.tried
            self.taken_back.add(number)
        else:
            assert number in self.tried

    @precondition(lambda self: self.in_flight is None)
    @rule(limit=st.integers(1, MOST_OF_A_KIND))
    def write_begins(self, limit):
        batch = self.backlog.take(limit)
        assert len({record.number for record in batch}) == len(batch), "an execution twice"
        self.in_flight = list(batch)
        self.tried.update(numbers(batch))

    def commit(self):
        for record in self.in_flight:
            if record.is_end:
                self.database[record.number] = record
            else:
                self.database.setdefault(record.number, record)

    @precondition(lambda self: self.in_flight is not None)
    @rule()
    def write_succeeds(self):
        self.commit()
        self.confirmed.update(numbers(self.in_flight))
        self.in_flight = None
        self.backlog.confirm()

    @precondition(lambda self: self.in_flight is not None)
    @rule(is_committed=st.booleans())
    def write_fails(self, is_committed):
        if is_committed:
            self.commit()
        self.in_flight = None
        self.backlog.put_back()

    @invariant()
    def every_row_is_a_state_that_happened(self):
        for number, row in self.database.items():
            assert row in self.happened[number]
            assert number not in self.taken_back

    @invariant()
    def nothing_is_held_beyond_the_capacity_that_could_be_dropped(self):
        if self.happened:
            held = self.backlog.unsaved()
            if size(held) > self.capacity:
                droppable = {record.number for record in held if record.is_end} - self.tried
                assert not droppable

    @invariant()
    def no_more_than_a_batch_is_in_doubt(self):
        assert len(self.tried - self.confirmed) <= 2 * MOST_OF_A_KIND

    def teardown(self):
        if not self.happened:
            return
        if self.in_flight is not None:
            self.write_fails(False)
        while self.backlog.has_waiting():
            self.write_begins(3)
            self.write_succeeds()
        assert self.backlog.unsaved() == []
        missing = set(self.happened) - self.taken_back - set(self.database)
        assert len(missing) == self.backlog.dropped
        for number, row in self.database.items():
            assert row == self.happened[number][-1]
        kept = [
            number
            for number, records in self.happened.items()
            if records[-1].is_end and number in self.database
        ]
        assert not missing & set(kept)
        self.there_is_all_the_room_again()

    def there_is_all_the_room_again(self):
        dropped = self.backlog.dropped
        first = self.last_number() + 1
        fitting = min(5, self.capacity // end(0).size)
        self.backlog.put([end(number) for number in range(first, first + fitting)])
        assert self.backlog.dropped == dropped


Recording.TestCase.settings = settings(stateful_step_count=40)
test_every_execution_ends_up_on_record_exactly_once = Recording.TestCase
