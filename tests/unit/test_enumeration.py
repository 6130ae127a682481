import pytest

from quick_jobs.runner.enumeration import enumeration


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, ""),
        (1, "0"),
        (10, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        (13, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 3 more"),
    ],
)
def test_the_first_ten_are_named_and_the_rest_counted(count, expected):
    assert enumeration(range(count), str) == expected


def test_only_those_that_are_named_are_put_into_words():
    put = []
    shown = enumeration(range(1000), lambda number: put.append(number) or "x", "later")
    assert shown.endswith("x and 990 later")
    assert len(put) == 10
