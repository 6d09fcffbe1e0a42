"""What a reader makes of bad input."""

import pytest

from embodied_perception.errors import FrameError


@pytest.fixture(scope="session")
def outcome():
    """Call a function: what it returns, or the reason why it refuses."""

    def outcome(function, *arguments):
        try:
            return function(*arguments)
        except FrameError as error:
            return error.reason

    return outcome
