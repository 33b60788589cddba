"""The set encoder: what a pretrained speech network makes of each frame, over the clip its mean and deviation."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mercli.errors import BundleError
from mercli.formats import SAMPLE_RATE_HZ
from mercli.voice.encoder_spec import EncoderSpec
from mercli.voice.spec import VoiceSpec
from mercli.voice.speech_network import SpeechNetwork
from mercli.voice.spool import Spool
from mercli_kernels import mid_term_stream, statistic_names

_BLOCK_SAMPLES = 1 << 16  # of which the level is measured at a time


class Encoder:
    """Measure a sound by a speech network; see `FeatureSet` for what each method gives.

    Parameters
    ----------
    spec : VoiceSpec
        Which network, what of the sound a frame rests on (its window), and how far it is to the next (its hop).
    network : SpeechNetwork, optional
        The network itself. Without it only the names can be had.

    Raises
    ------
    BundleError
        If the network's frames are not of the length that the specification says.
    """

    def __init__(self, spec: VoiceSpec, network: SpeechNetwork | None = None) -> None:
        if spec.encoder is None:
            raise ValueError("the voice feature set 'encoder' needs an encoder")
        if network is not None and network.dim != spec.encoder.dim:
            raise BundleError(
                f"the voice encoder {spec.encoder.file} gives frames of {network.dim} values; "
                f"{spec.encoder.dim} were expected"
            )
        self.spec = spec
        self._encoder: EncoderSpec = spec.encoder
        self._network = network

    @property
    def shortest_samples(self) -> int:
        """What one frame rests on."""
        return round(self.spec.window_s * SAMPLE_RATE_HZ)

    def short_term_names(self) -> tuple[str, ...]:
        """Name the values of a frame, such as ``embedding_0``: by themselves they mean nothing."""
        return tuple(f"embedding_{i}" for i in range(self._encoder.dim))

    def mid_term_names(self) -> tuple[str, ...]:
        """Name the means of the short-term columns, such as ``embedding_0_mean``, then the deviations."""
        return tuple(statistic_names(self.short_term_names()))

    def clip_names(self) -> tuple[str, ...]:
        """Name the entries of the one view, which are those of a mid-term window."""
        return self.mid_term_names()

    def short_term(self, sound: Spool) -> Iterator[NDArray[np.float64]]:
        """Give the frames, float64 [n_frames, dim] at a time."""
        if self._network is None:
            raise ValueError(f"the voice encoder {self._encoder.file} was not opened")
        mean, deviation = _moments(sound)
        for start, stop in self._stretches(sound.n_samples):
            samples = (sound.cut(start, stop) - mean) / deviation
            yield self._network.frames(samples.astype(np.float32)).astype(np.float64)

    def mid_term(self, sound: Spool) -> Iterator[NDArray[np.float64]]:
        """Give mean and deviation of each short-term column, float64 [n_windows, 2 * dim] at a time."""
        spec = self.spec
        return mid_term_stream(
            self.short_term(sound),
            window_frames=max(1, round(spec.mid_window_s / spec.hop_s)),
            hop_frames=max(1, round(spec.mid_hop_s / spec.hop_s)),
        )

    def views(self, sound: Spool) -> NDArray[np.float32]:
        """Give mean and deviation over all frames, float32 [1, 2 * dim]."""
        count, mean, scatter = 0, np.zeros(self._encoder.dim), np.zeros(self._encoder.dim)
        for frames in self.short_term(sound):
            # What a stretch adds to the mean and to the squared deviations from it (Chan and others, 1979).
            n, step = len(frames), frames.mean(axis=0) - mean
            scatter += n * frames.var(axis=0) + step**2 * count * n / (count + n)
            mean += step * n / (count + n)
            count += n
        return np.concatenate((mean, np.sqrt(scatter / count))).astype(np.float32)[np.newaxis]

    def altered(self, sound: Spool) -> NDArray[np.float32]:  # noqa: ARG002
        """Give no rows: a network is slow, and was itself trained on many speakers and rooms."""
        return np.empty((0, len(self.clip_names())), np.float32)

    def _stretches(self, n_samples: int) -> Iterator[tuple[int, int]]:
        """Cut a sound where its frames begin: each stretch gives its own, and all are about equally long.

        A short rest would have frames that know nothing of what was said before.
        """
        hop, window = round(self.spec.hop_s * SAMPLE_RATE_HZ), self.shortest_samples
        longest = round(self._encoder.stretch_s * SAMPLE_RATE_HZ)
        n_frames = 1 + (n_samples - window) // hop
        most = 1 + max(0, (longest - window - hop + 1) // hop)  # the last stretch has up to hop - 1 samples more
        n_stretches = -(-n_frames // most)
        for i in range(n_stretches):
            first, end = n_frames * i // n_stretches, n_frames * (i + 1) // n_stretches
            yield first * hop, n_samples if end == n_frames else (end - 1) * hop + window


def _moments(sound: Spool) -> tuple[float, float]:
    """Give mean and standard deviation of all samples: one of them is never more than a part of the other."""
    # Blocks of one size, whatever the sound is spooled in: a sum depends, in its last bits, on how it is cut.
    total = sum(float(block.sum(dtype=np.float64)) for block in sound.blocks(_BLOCK_SAMPLES))
    mean = total / sound.n_samples
    power = sum(float(np.square(block - mean, dtype=np.float64).sum()) for block in sound.blocks(_BLOCK_SAMPLES))
    return mean, float(np.sqrt(power / sound.n_samples)) or 1.0
