from __future__ import annotations

import os
import sys
from dataclasses import replace

import pytest

from napari_kidney_seg.training.process_record import ProcessRecord


def test_a_process_lives_until_it_ends(other):
    record = ProcessRecord.of(other.pid)
    assert record.is_alive

    other.kill()
    other.wait()

    assert not record.is_alive


@pytest.mark.skipif(sys.platform == "win32", reason="there a process that ended is gone at once")
def test_one_that_ended_but_was_not_waited_for_is_dead(other):
    record = ProcessRecord.of(other.pid)

    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # a zombie from now on

    assert not record.is_alive


def test_a_later_process_with_the_same_number_is_another_one():
    record = ProcessRecord.of(os.getpid())

    assert record.is_alive
    assert not replace(record, created=record.created - 3600).is_alive


def test_a_process_of_another_computer_is_not_looked_up_here():
    record = replace(ProcessRecord.of(os.getpid()), host="another")

    assert record.is_elsewhere
    assert not record.is_alive
