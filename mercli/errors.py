"""The errors mercli raises on purpose: each message is a sentence for the person at the terminal."""

import traceback


class MercliError(Exception):
    """Report something the user can mend."""


class MediaError(MercliError):
    """Report a file that cannot be read as sound or picture."""


class MissingModality(MercliError):  # noqa: N818  # nothing went wrong: the file just does not hold it
    """Report a modality that a file does not hold; the message is the reason as a phrase."""


class BundleError(MercliError):
    """Report a bundle that is missing, damaged, tampered with or not understood."""


class CorpusError(MercliError):
    """Report a labelled corpus that cannot be trained on."""


class UsageError(MercliError):
    """Report options or paths that make no sense together."""


def sentence(error: Exception, *, debug: bool = False) -> str:
    """Say in a table what became of a file whose reading raised `error`.

    Parameters
    ----------
    error : Exception
        Any; one that mercli does not raise on purpose is said to be unforeseen.
    debug : bool
        Whether to print where an unforeseen error came from.

    Returns
    -------
    str
        A phrase.
    """
    if isinstance(error, MercliError):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    if debug:
        traceback.print_exception(error)
    return f"unforeseen error, please report it: {type(error).__name__}: {error}"
