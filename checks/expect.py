"""What an answer must have returned before it is judged: a sentence for each usual slip."""

from typing import Any

import ray

from checks.engine import NotYet


def a_value(returned: Any, what: str = "a result") -> Any:
    """What was returned, if it is neither None nor a ref.

    Args:
        returned: by the learner's function.
        what: should have been, in the learner's words.

    Raises:
        NotYet: in the words for what it is instead.
    """
    if returned is None:
        raise NotYet(f"Your function returned None, not {what}. Does it end with a return?")
    if isinstance(returned, ray.ObjectRef):
        raise NotYet(f"You returned a ref, not {what}. Wait for what it stands for: ray.get(...)")
    return returned


def a_list(returned: Any, of: str = "results", kind: type | tuple[type, ...] = object) -> list:
    """What was returned, as a list of values of this kind.

    Args:
        returned: by the learner's function, a list or a tuple.
        of: what it should hold, in the learner's words.
        kind: their type, or several.

    Raises:
        NotYet: in the words for what it is instead.
    """
    a_value(returned, f"a list of {of}")
    if not isinstance(returned, list | tuple):
        raise NotYet(f"Return a list of {of}; you returned {type(returned).__name__}.")
    if any(isinstance(one, ray.ObjectRef) for one in returned):
        raise NotYet(
            "You returned refs, which stand for results. Give the whole list to ray.get, and "
            "return what it returns."
        )
    if odd := [one for one in returned if not isinstance(one, kind)]:
        is_ = f"{type(odd[0]).__name__}: {str(odd[0])[:60]}"
        raise NotYet(f"The list should hold {of}; it holds {is_}")
    return list(returned)
