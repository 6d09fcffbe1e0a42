"""What /diagnostics says."""

import pytest

from embodied_perception.stages.report import Report
from embodied_perception.stages.stage import Status

OK = Status(Status.OK, "OK", {"state": "OK", "epoch": "0"})


def status(report, stage_status=OK, **measured):
    message = report.diagnostics("odometry", stage_status, 5_000_000_007, measured)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 7)
    (only,) = message.status
    return only


def values(found):
    return {each.key: each.value for each in found.values}


def test_all_is_well():
    report = Report()
    report.count_processed()
    found = status(report)
    assert (found.level, found.message, found.name) == (b"\x00", "OK", "odometry")
    assert values(found) == {"processed": "1", "state": "OK", "epoch": "0"}


def test_silence_is_a_warning_until_something_comes():
    report = Report()
    report.count_processed()
    assert report.has_news
    assert status(report).level == b"\x00"
    assert not report.has_news
    silent = status(report)
    assert silent.level == b"\x01"
    assert silent.message == "no images come any more; the last state was OK"
    lost = status(report, Status(Status.ERROR, "LOST: why"))
    assert (lost.level, lost.message) == (b"\x02", "LOST: why")
    report.count_processed()
    assert status(report).message == "OK"


def test_a_new_problem_warns_once_and_stays_counted():
    report = Report()
    report.drop("TRUNCATED", "JPEG of 5 bytes")
    found = status(report)
    assert (found.level, found.message) == (b"\x01", "TRUNCATED: JPEG of 5 bytes")
    report.count_processed()
    again = status(report)
    assert (again.level, again.message) == (b"\x00", "OK")
    assert values(again)["dropped TRUNCATED"] == "1"
    assert values(again)["last problem"] == "TRUNCATED: JPEG of 5 bytes"
    report.drop("TRUNCATED", "JPEG of 6 bytes")
    assert status(report).level == b"\x01"


@pytest.mark.parametrize("level", [Status.WARN, Status.ERROR])
def test_a_problem_does_not_hide_the_stages_own_words(level):
    report = Report()
    report.drop("NO_TRANSFORM", "publish base_link -> camera")
    found = status(report, Status(level, "no images yet"))
    assert found.level == bytes([level])
    assert found.message == "no images yet; NO_TRANSFORM: publish base_link -> camera"
    assert status(report, Status(level, "no images yet")).message == "no images yet"


def test_counts_by_reason():
    report = Report()
    for reason in ("UNPAIRED", "TRUNCATED", "UNPAIRED"):
        report.drop(reason, "why")
    assert report.dropped == {"TRUNCATED": 1, "UNPAIRED": 2}
    assert report.processed == 0
    assert report.last_problem == "UNPAIRED: why"
    found = values(status(report))
    assert (found["dropped TRUNCATED"], found["dropped UNPAIRED"]) == ("1", "2")


def test_the_order_of_keys_is_stable():
    one, other = Report(), Report()
    for reason in ("B", "A", "C"):
        one.drop(reason, "x")
    for reason in ("C", "B", "A"):
        other.drop(reason, "x")
    keys = [[each.key for each in status(report, latency="1").values] for report in (one, other)]
    assert keys[0] == keys[1]
    assert keys[0] == [
        "processed", "state", "epoch", "latency", "dropped A", "dropped B", "dropped C",
        "last problem",
    ]  # fmt: skip


def test_the_counts_given_out_are_a_copy():
    report = Report()
    report.drop("A", "x")
    report.dropped["A"] = 100
    assert report.dropped == {"A": 1}
