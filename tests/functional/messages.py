"""What an error of the package says, whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def message(kind: type[Exception], call: Callable[[], Any]) -> str:
    """Returns the text of the error of this kind, neither more nor less, that the call raises."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)
