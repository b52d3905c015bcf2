"""Each second of CPU time is counted once, whoever reaps whom."""

from __future__ import annotations

from monitor.sampler.ledger import Count, Key, Ledger, Spent

W, P, C, G = (1, 0), (2, 0), (3, 0), (4, 0)


def walk(*looks: dict[Key, tuple[int, int]], parents: dict[Key, Key | None] | None = None) -> list[Spent]:
    """Looks at counters (own, reaped) of the tree W > P > C > G, or with other parents."""
    ledger = Ledger()
    known = parents or {W: None, P: W, C: P, G: C}
    return [
        ledger.advance({key: Count(*one) for key, one in now.items()}, {key: known[key] for key in now})
        for now in looks
    ]


def total(spent: Spent) -> int:
    return sum(spent.seen.values()) + sum(spent.unseen.values())


def test_a_grandchild_is_inherited_twice_and_counted_once() -> None:
    looks = walk(
        {W: (0, 0), P: (10, 0), C: (20, 0), G: (30, 0)},
        {W: (0, 0), P: (10, 0), C: (21, 33)},  # G ended with 33
        {W: (0, 0), P: (10, 56)},  # C ended with 23 of its own
        {W: (0, 66)},
    )
    assert [total(one) for one in looks] == [60, 4, 2, 0]


def test_parent_and_child_end_between_two_looks() -> None:
    looks = walk({P: (0, 0), C: (20, 0), G: (30, 0)}, {P: (0, 60)}, parents={P: None, C: P, G: C})
    assert total(looks[1]) == 10
    assert looks[1].seen == {C: 10}


def test_an_orphan_reaped_further_up() -> None:
    # C ended first, with 21: its child G went to the reaper W, and ended there with 35
    looks = walk({W: (0, 0), P: (0, 0), C: (20, 0), G: (30, 0)}, {W: (0, 35), P: (0, 21)})
    assert total(looks[1]) == 6


def test_a_parent_that_does_not_wait_is_credited_nothing_and_nothing_is_negative() -> None:
    looks = walk({P: (0, 0), C: (20, 0)}, {P: (5, 0)}, {P: (9, 0)}, {P: (9, 7)}, parents={P: None, C: P})
    assert [total(one) for one in looks[1:]] == [5, 4, 7]


def test_a_child_reaped_between_the_look_at_its_parent_and_at_itself() -> None:
    looks = walk({P: (0, 0), C: (20, 0)}, {P: (0, 0)}, {P: (0, 22)}, parents={P: None, C: P})
    assert [total(one) for one in looks[1:]] == [0, 2]
    assert looks[2].seen == {C: 2}


def test_a_counter_that_goes_back_counts_nothing() -> None:
    looks = walk({P: (10, 5)}, {P: (8, 4)}, {P: (9, 6)}, parents={P: None})
    assert [total(one) for one in looks] == [15, 0, 3]
