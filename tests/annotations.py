"""The type checker that the test run puts on every function of the package."""

from __future__ import annotations

from collections.abc import Callable

from beartype import BeartypeConf, beartype

#: As for static type checkers, an int will do where a float is asked for.
CONF = BeartypeConf(is_pep484_tower=True)


def checked(function: Callable) -> Callable:
    """Returns the function with its annotations enforced.

    It sees one method at a time and cannot know the class, so what is annotated with `Self` is
    taken as it comes.
    """
    hints = function.__annotations__
    function.__annotations__ = {k: hint for k, hint in hints.items() if "Self" not in str(hint)}
    return beartype(function, conf=CONF)
