"""What a spreadsheet would run when it opens a table."""

_SIGNS = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")  # some run the full-width ones too


def is_formula(text: str) -> bool:
    """Tell whether a cell of this text would be taken for a formula.

    Examples
    --------
    >>> is_formula("=1+1"), is_formula("1+1")
    (True, False)
    """
    return text.startswith(_SIGNS)
