"""A synthetic voice that babbles: a glottal source through four formants."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli.emotions import FER2013

Track = NDArray[np.float64]

PEAK = 0.5
CONTROL_HZ = 200  # pitch, formants and loudness are set about this often
HIGHEST_HARMONIC_HZ = 5500.0

# First three formants of an adult's vowels, after Peterson and Barney (1952).
FORMANTS_HZ = {
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}
VOWELS_HZ = np.array(list(FORMANTS_HZ.values()), np.float64)
FOURTH_FORMANT_HZ = 3500.0
BANDWIDTHS_HZ = (80.0, 100.0, 140.0, 220.0)


@dataclass(frozen=True)
class Manner:
    """How an emotion sounds."""

    pitch_hz: float
    range_semitones: float
    syllables_hz: float
    tilt: float  # the k-th harmonic falls as k ** -tilt: less in a pressed voice
    rise_semitones: float  # over a phrase
    tremor_semitones: float
    breath: float


MANNERS = {
    "angry": Manner(175, 3.5, 4.8, 0.7, -4, 0.1, 0.01),
    "disgust": Manner(120, 2.5, 3.2, 1.1, -5, 0.2, 0.03),
    "fear": Manner(235, 2.5, 5.6, 1.0, 1, 0.7, 0.05),
    "happy": Manner(215, 5.0, 5.0, 0.9, -2, 0.2, 0.01),
    "sad": Manner(125, 1.0, 2.8, 1.5, -3, 0.3, 0.05),
    "surprise": Manner(240, 5.0, 4.2, 0.9, 7, 0.1, 0.02),
    "neutral": Manner(145, 1.8, 4.0, 1.1, -3, 0.1, 0.01),
}


def synthesise_voice(
    duration_s: float,
    *,
    sample_rate_hz: int = 16000,
    pitch_hz: float | None = None,
    expression: str = "neutral",
    seed: int = 0,
) -> NDArray[np.float32]:
    """Synthesise a voice that babbles syllables.

    Parameters
    ----------
    duration_s : float
        Length.
    sample_rate_hz : int
        Samples a second, 8000 or more.
    pitch_hz : float, optional
        Median pitch where the voice sounds, 50 to 600; the expression's own when not given.
    expression : str
        One of `mercli.emotions.FER2013`: sets pitch, melody, pace and brightness.
    seed : int
        Another seed babbles something else.

    Returns
    -------
    ndarray [round(duration_s * sample_rate_hz)] of float32
        Mono samples; the largest is 0.5 from zero.

    Raises
    ------
    ValueError
        If a number is out of its range or the expression is unknown.
    """
    if expression not in MANNERS:
        raise ValueError(f"unknown expression {expression!r}; known are {', '.join(FER2013)}")
    manner = MANNERS[expression]
    pitch_hz = manner.pitch_hz if pitch_hz is None else pitch_hz
    if sample_rate_hz < 8000:
        raise ValueError(f"a voice needs 8000 samples a second or more, not {sample_rate_hz}")
    if not 50 <= pitch_hz <= 600:
        raise ValueError(f"a voice has a pitch of 50 to 600 Hz, not {pitch_hz}")
    if not (np.isfinite(duration_s) and round(duration_s * sample_rate_hz) > 0):
        raise ValueError(f"a voice lasts a sample or longer, not {duration_s} s")

    rng = np.random.default_rng(seed)
    count, hop = round(duration_s * sample_rate_hz), sample_rate_hz // CONTROL_HZ
    loudness, hiss, semitones, formants_hz = _babble(-(-count // hop) + 1, manner, rng)
    pitch = pitch_hz * 2 ** ((semitones - np.median(semitones[loudness > 0.1])) / 12)
    # A shorter vocal tract goes with a higher voice.
    formants_hz *= (pitch_hz / 140) ** 0.2
    voice = _voiced(pitch, loudness, formants_hz, manner.tilt, sample_rate_hz)
    voice /= np.abs(voice).max()
    voice += _hiss(0.25 * hiss + manner.breath * loudness, sample_rate_hz, rng)
    samples = voice[:count]
    return np.asarray(samples * (PEAK / np.abs(samples).max()), np.float32)


def _babble(ticks: int, manner: Manner, rng: np.random.Generator) -> tuple[Track, Track, Track, Track]:
    """Return loudness, hiss and melody in semitones [ticks] and formants in Hz [4, ticks] of some phrases."""
    loudness, hiss, melody = np.zeros(ticks), np.zeros(ticks), np.zeros(ticks)
    vowel = np.zeros(ticks, np.intp)
    start, left, phrase = 0, 0, 1
    while start < ticks:
        if left == 0:
            if start:
                start += int(rng.uniform(0.15, 0.3) * CONTROL_HZ)  # a breath between phrases
            phrase = left = int(rng.integers(4, 8))
        length = int(CONTROL_HZ / manner.syllables_hz * rng.uniform(0.8, 1.2))
        # Some syllables begin with a hiss, as of an s; never the first, so that the shortest sound is voiced.
        onset = int(0.05 * CONTROL_HZ) if start and rng.random() < 0.4 else 0
        syllable, sonant = slice(start, start + length), slice(start + onset, start + length)
        swell = np.sin(np.pi * (np.arange(length - onset) + 0.5) / (length - onset)) ** 0.7
        loudness[sonant] = (swell * rng.uniform(0.6, 1.0))[: len(loudness[sonant])]
        hiss[start : start + onset] = rng.uniform(0.3, 1.0)
        vowel[syllable] = rng.integers(len(VOWELS_HZ))
        melody[syllable] = manner.rise_semitones * (0.5 - left / phrase)
        melody[syllable] += manner.range_semitones * rng.uniform(-1, 1)
        start, left = start + length, left - 1
    melody = _smooth(melody) + manner.tremor_semitones * np.sin(2 * np.pi * 5.5 * np.arange(ticks) / CONTROL_HZ)
    formants = [_smooth(VOWELS_HZ[vowel, i]) for i in range(3)]
    return loudness, hiss, melody, np.stack([*formants, np.full(ticks, FOURTH_FORMANT_HZ)])


def _smooth(track: Track) -> Track:
    """Glide over 120 ms: nothing in a mouth jumps."""
    glide = np.hanning(int(0.12 * CONTROL_HZ) + 3)[1:-1]
    padded = np.pad(track, len(glide) // 2, mode="edge")
    return np.convolve(padded, glide / glide.sum(), mode="valid")


def _voiced(pitch_hz: Track, loudness: Track, formants_hz: Track, tilt: float, sample_rate_hz: int) -> Track:
    """Sum the harmonics of the glottal pulses, each with the gain of the vocal tract at its frequency."""
    highest_hz = min(HIGHEST_HARMONIC_HZ, 0.48 * sample_rate_hz)
    order = np.arange(1, int(highest_hz / pitch_hz.min()) + 1)[:, None]
    frequency_hz = order * pitch_hz
    # One formant's gain is F^2 / (F^2 - f^2 + i f B) (Fant, 1960).
    gains = order**-tilt * (frequency_hz < highest_hz) + 0j
    for formant_hz, bandwidth_hz in zip(formants_hz, BANDWIDTHS_HZ, strict=True):
        gains *= formant_hz**2 / (formant_hz**2 - frequency_hz**2 + 1j * frequency_hz * bandwidth_hz)
    # Open and close vowels equally loud: what is heard follows the syllables.
    gains *= loudness / np.linalg.norm(gains, axis=0)

    hop = sample_rate_hz // CONTROL_HZ
    turn = np.cumsum(_per_sample(pitch_hz, hop)) * (2 * np.pi / sample_rate_hz)
    fundamental = np.exp(1j * turn).astype(np.complex64)
    # The k-th harmonic is the k-th power of the first: no sine is taken twice.
    harmonic = np.ones_like(fundamental)
    voice = np.zeros(len(turn), np.float32)
    for gain in gains.astype(np.complex64):
        harmonic *= fundamental
        voice += (harmonic * _per_sample(gain, hop)).real
    return voice.astype(np.float64)


def _hiss(loudness: Track, sample_rate_hz: int, rng: np.random.Generator) -> Track:
    """Return noise around 5 kHz, as of breath between the teeth."""
    hop = sample_rate_hz // CONTROL_HZ
    spectrum = np.fft.rfft(rng.standard_normal((len(loudness) - 1) * hop))
    frequency_hz = np.linspace(0, sample_rate_hz / 2, len(spectrum))
    noise = np.fft.irfft(spectrum * np.exp(-(((frequency_hz - 5000) / 2000) ** 2)), (len(loudness) - 1) * hop)
    return np.asarray(noise * _per_sample(loudness, hop), np.float64)


def _per_sample(track: NDArray[Any], hop: int) -> NDArray[Any]:
    """Draw straight lines through a track, `hop` samples from tick to tick."""
    ramp = (np.arange(hop) / hop).astype(np.float32)
    return np.asarray(track[:-1, None] + np.diff(track)[:, None] * ramp).ravel()
