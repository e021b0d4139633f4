"""How long a check waits for what may come late: by the machine's pace, not only by the clock."""

import time

from checks.news import newest


def test_it_ends_when_there_is_enough():
    told = iter(range(100))
    assert newest(lambda: next(told), lambda number: number == 7, 600) == 7


def test_it_gives_up_when_nothing_new_comes():
    assert newest(lambda: 1, lambda _: False, 0.01, asks=3) == 1


def test_news_starts_the_while_anew():
    answers = iter([0, 0, 1, 1, 2, 2, 3, 3])
    assert newest(lambda: next(answers, 3), lambda number: number == 3, 0.001, asks=2) == 3


def test_a_slow_answer_gives_more_time():
    asked = []

    def ask():
        asked.append(time.monotonic())
        time.sleep(0.02)

    newest(ask, lambda _: False, 0.01, asks=5)
    assert len(asked) == 6, "the first, and five more, though the seconds had passed at once"
