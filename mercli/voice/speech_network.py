"""A pretrained speech network: a waveform in, an embedding for every frame out."""

import reprlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercli.errors import BundleError
from mercli.formats import SAMPLE_RATE_HZ
from mercli.inference import Network, Opener
from mercli.voice.encoder_spec import WIDEST

_SHORTEST_HOP = 20  # samples: as in VoiceSpec
_EXPECTED = "a speech network takes a waveform, float32 [1, n_samples], and gives frames, [1, n_frames, n]"


@dataclass(frozen=True, slots=True)
class Pace:
    """Say when frames come: samples that one rests on, and samples from one to the next."""

    window: int
    hop: int

    def count(self, n_samples: int) -> int:
        """Give the number of frames in a sound of at least one window."""
        return 1 + (n_samples - self.window) // self.hop


class SpeechNetwork:
    """Run a speech network such as wav2vec 2.0, HuBERT or WavLM, once it is seen to do what it has to.

    Parameters
    ----------
    model : bytes
        ONNX: one input, float32 [batch, n_samples], 16 kHz. Of its outputs the first of three axes counts,
        [batch, n_frames, dim].
    file : str
        The name of its file, for error messages.
    open_network : Opener
        Runs it, here or elsewhere.

    Attributes
    ----------
    dim : int
        The length of a frame's embedding.

    Raises
    ------
    BundleError
        If it is another kind of model, keeps data in other files, or does not give frames of finite numbers, the
        same each time.
    """

    def __init__(self, model: bytes, file: str, open_network: Opener = Network) -> None:
        self._what = f"the voice encoder {file}"
        self._network = open_network(model, self._what, any_length=True)
        shape = self._network.input_shape
        if len(shape) != 2 or isinstance(shape[1], int):
            raise BundleError(f"{self._what} does not take a waveform of any length: {_EXPECTED}")
        frames = [name for name, sizes in self._network.output_shapes.items() if sizes and len(sizes) == 3]
        if not frames:
            raise BundleError(f"{self._what} has no output of frames: {_EXPECTED}")
        self._output = frames[0]
        self.dim = 0  # not known yet
        noise = _noise(SAMPLE_RATE_HZ)
        said = self.frames(noise)
        self.dim = said.shape[1]
        if len(said) < 2 or not 0 < self.dim <= WIDEST:
            raise BundleError(f"{self._what} gives a second of sound {len(said)} x {self.dim} values: {_EXPECTED}")
        if not np.array_equal(said, self.frames(noise)):
            raise BundleError(
                f"{self._what} gives the same sound two answers; export it as it is for use, not for training"
            )

    def frames(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the embeddings of a sound.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,)]
            16 kHz mono.

        Returns
        -------
        np.ndarray [shape=(n_frames, dim)]
            At least one row.

        Raises
        ------
        BundleError
            If the network fails on it, as it does on one too short, or gives what are no frames.
        """
        (given,) = self._network.give(samples[np.newaxis], self._output)
        if given.ndim != 3 or len(given) != 1 or not given.shape[1] or self.dim not in (0, given.shape[2]):
            shape = reprlib.repr(list(given.shape))
            raise BundleError(f"{self._what} gave {shape} values for a sound: {_EXPECTED}")
        if not np.isfinite(given).all():
            raise BundleError(f"{self._what} gave a sound values that are no numbers (NaN or infinite)")
        frames: NDArray[np.float32] = given[0]
        return frames

    def pace(self) -> Pace:
        """Find out how far its frames are apart.

        Returns
        -------
        Pace
            Where its edges are padded, so that a frame comes of less than a hop, the window is the hop.

        Raises
        ------
        BundleError
            If they do not come at an even pace, or nearer to each other than 20 samples.
        """
        window, both = self._shortest(1), self._shortest(2)
        hop = both - window
        if hop < _SHORTEST_HOP:
            raise BundleError(
                f"{self._what} gives a frame every {hop} samples; at least {_SHORTEST_HOP} are taken"
            )
        pace = Pace(max(window, hop), hop)
        for seconds in (1, 2):
            n_samples = seconds * SAMPLE_RATE_HZ
            found = len(self.frames(_noise(n_samples)))
            if abs(found - pace.count(n_samples)) > 1:
                raise BundleError(
                    f"{self._what} gives {found} frames for {seconds} s of sound, {pace.count(n_samples)} were "
                    f"expected of one every {hop} samples: it is no network of frames at an even pace"
                )
        return pace

    def _shortest(self, n_frames: int) -> int:
        """Give the fewest samples that have so many frames; a second has them."""
        too_few, enough = 0, SAMPLE_RATE_HZ
        while enough - too_few > 1:
            tried = (too_few + enough) // 2
            if self._count(tried) >= n_frames:
                enough = tried
            else:
                too_few = tried
        return enough

    def _count(self, n_samples: int) -> int:
        try:
            return len(self.frames(_noise(n_samples)))
        except BundleError:  # shorter than what it takes
            return 0


def _noise(n_samples: int) -> NDArray[np.float32]:
    """Give the same noise each time: some networks have no answer to silence."""
    return np.random.default_rng(0).normal(size=n_samples).astype(np.float32)
