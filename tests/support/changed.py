"""A wrong answer is mostly a right one with something changed."""


def changed(code: str, *changes: tuple[str, str]) -> str:
    """The code with every old text replaced by the new one; each change is (old, new).

    Raises AssertionError if an old text is not there: that would be the right answer again.
    """
    for old, new in changes:
        assert old in code, old
        code = code.replace(old, new)
    return code
