"""The newest item wins, whoever is slow."""

import threading

from embodied_perception.ros.mailbox import Mailbox


def test_a_newer_item_replaces_the_older():
    mailbox = Mailbox()
    assert mailbox.put("old") is None
    assert mailbox.put("new") == "old"
    assert mailbox.take() == "new"
    assert mailbox.put("next") is None


def test_take_waits_for_an_item():
    mailbox, taken = Mailbox(), []
    thread = threading.Thread(target=lambda: taken.append(mailbox.take()))
    thread.start()
    mailbox.put(1)
    thread.join(5)
    assert taken == [1]


def test_close_frees_who_waits_and_forgets_what_lies_there():
    mailbox, taken = Mailbox(), []
    thread = threading.Thread(target=lambda: taken.append(mailbox.take()))
    thread.start()
    mailbox.close()
    thread.join(5)
    assert taken == [None]
    mailbox.put("late")
    assert mailbox.take() is None


def test_every_item_is_taken_or_replaced_and_in_order():
    mailbox, taken = Mailbox(), []

    def take():
        while (item := mailbox.take()) is not None:
            taken.append(item)
            if item == 5000:
                return

    thread = threading.Thread(target=take)
    thread.start()
    replaced = [old for item in range(1, 5001) if (old := mailbox.put(item)) is not None]
    thread.join(10)
    assert not thread.is_alive()
    assert taken == sorted(taken)
    assert taken[-1] == 5000
    assert sorted(taken + replaced) == list(range(1, 5001))
