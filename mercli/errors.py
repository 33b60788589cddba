"""The errors mercli raises on purpose: each message is a sentence for the person at the terminal."""


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
