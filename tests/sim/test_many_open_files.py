"""A board starts however many files the program that makes it has open."""

import os
from pathlib import Path

import boards
import pytest


# The world opens some nine files before the pipes, which then have numbers around 103.
@pytest.mark.parametrize("lowest", range(86, 104))
def test_a_board_starts_whatever_numbers_its_pipes_get(tmp_path: Path, lowest: int) -> None:
    held = []
    try:
        # A new file gets the lowest number that is free.
        while (one := os.open(os.devnull, os.O_RDONLY)) < lowest:
            held.append(one)
        held.append(one)
        assert boards.printed(tmp_path, "print('ready')") == ["ready"]
    finally:
        for one in held:
            os.close(one)
