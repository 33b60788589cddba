"""The feature sets of a voice: what each has to give, and which there are."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from mercli.voice.spec import MERCLI_1, VoiceSpec

if TYPE_CHECKING:
    from mercli.voice.spool import Spool


class FeatureSet(Protocol):
    """Measure a sound at three levels: in short-term windows, in mid-term windows, and as a whole clip.

    A set keeps nothing of a sound: one may measure many. Tables come in order and piece by piece, so that memory
    does not grow with the length of the sound.
    """

    @property
    def spec(self) -> VoiceSpec:
        """The windows and hops it measures in."""
        ...

    @property
    def shortest_samples(self) -> int:
        """A sound of fewer samples has no features; at least one short-term window."""
        ...

    def short_term_names(self) -> tuple[str, ...]:
        """Name the columns of `short_term`."""
        ...

    def mid_term_names(self) -> tuple[str, ...]:
        """Name the columns of `mid_term`."""
        ...

    def clip_names(self) -> tuple[str, ...]:
        """Name the columns of `views`."""
        ...

    def short_term(self, sound: "Spool") -> Iterator[NDArray[np.float64]]:
        """Measure the short-term windows of a sound.

        Parameters
        ----------
        sound : Spool
            At least `shortest_samples` long.

        Yields
        ------
        np.ndarray [shape=(n_frames, n)]
            The next windows, at least one, a row each; the columns are those of `short_term_names`.
        """
        ...

    def mid_term(self, sound: "Spool") -> Iterator[NDArray[np.float64]]:
        """Measure the mid-term windows of a sound.

        Parameters
        ----------
        sound : Spool
            At least `shortest_samples` long.

        Yields
        ------
        np.ndarray [shape=(n_windows, n)]
            The next windows, at least one, a row each; the columns are those of `mid_term_names`.
        """
        ...

    def views(self, sound: "Spool") -> NDArray[np.float32]:
        """Describe a sound as a whole: what a classifier is asked about a clip.

        Parameters
        ----------
        sound : Spool
            At least `shortest_samples` long.

        Returns
        -------
        np.ndarray [shape=(n_views, n)]
            A row a view, at least one. A view is the sound as it is or in another form that keeps the emotion,
            such as a little faster; the answers to all views are averaged. The columns are those of `clip_names`.
        """
        ...

    def altered(self, sound: "Spool") -> NDArray[np.float32]:
        """Describe altered copies of a sound, to train on beside its views.

        Parameters
        ----------
        sound : Spool
            At least `shortest_samples` long.

        Returns
        -------
        np.ndarray [shape=(n_copies, n)]
            The same for the same sound; no rows where the set makes no copies. The columns are those of
            `clip_names`.
        """
        ...


# Whoever only asks for a name, as the parent of all workers does, waits for no kernels to be imported.
def _original_34(spec: VoiceSpec) -> FeatureSet:
    from mercli.voice.original import Original34

    return Original34(spec)


def _mercli_1(spec: VoiceSpec) -> FeatureSet:
    from mercli.voice.mercli1 import Mercli1

    return Mercli1(spec)


def _encoder(spec: VoiceSpec) -> FeatureSet:
    from mercli.voice.encoder import Encoder

    return Encoder(spec)


_SETS: dict[str, Callable[[VoiceSpec], FeatureSet]] = {
    "original-34": _original_34,
    "mercli-1": _mercli_1,
    "encoder": _encoder,
}
_SPECS = {"original-34": VoiceSpec(), "mercli-1": MERCLI_1}

NAMES = tuple(_SETS)
"""What `VoiceSpec.feature_set` may be."""

DEFAULT = MERCLI_1.feature_set
"""What `mercli features` measures, and `mercli fit` trains on, unless told otherwise."""


def default_spec(name: str) -> VoiceSpec:
    """Give the windows that a set is meant to be measured in.

    Raises
    ------
    ValueError
        If there is no such set, or it needs more than a name.
    """
    if name not in _SPECS:
        raise ValueError(f"unknown voice feature set {name!r}")
    return _SPECS[name]


def feature_set(spec: VoiceSpec) -> FeatureSet:
    """Give the feature set that a specification names.

    Parameters
    ----------
    spec : VoiceSpec
        Names the set, and says in which windows it measures.

    Returns
    -------
    FeatureSet
        Ready to measure; of the set ``encoder``, which needs its network for that, only the names can be had.

    Raises
    ------
    ValueError
        If there is no such set.
    """
    if spec.feature_set not in NAMES:
        raise ValueError(f"unknown voice feature set {spec.feature_set!r}")
    return _SETS[spec.feature_set](spec)
