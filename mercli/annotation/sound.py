"""The sound of a video that is written again: copied packet by packet, or coded anew."""

from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer

from mercli.annotation.recording import Clock, Recording

_RATES_HZ = {
    "aac": (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350),
    "libopus": (48000, 24000, 16000, 12000, 8000),
}
_RATE_HZ = 48000
_LAYOUTS = {1: "mono", 6: "5.1"}
_GAP_S = 0.05  # sound that is missing for longer leaves silence, for what comes after it to be in time
_LOST_S = 3600  # a longer gap is a wrong clock
_BIT_RATE = 96_000  # of a channel


class Sound(Protocol):
    """The sound of a file that is written."""

    def add(self, packet: Any) -> None:
        """Write a packet of the recording's."""
        ...

    def finish(self) -> None:
        """Write what was held back."""
        ...


def codec_of(stream: AudioStream) -> str:
    """Name the codec of a sound, and not the decoder of it that is in use."""
    return str(stream.codec_context.codec.canonical_name)


class CopiedSound:
    """Sound whose packets are written as they are.

    Parameters
    ----------
    container : OutputContainer
        Where to.
    encoder : str
        Not needed.
    recording : Recording
        Where from.
    stream : AudioStream
        Which of its sounds.
    """

    def __init__(
        self, container: OutputContainer, encoder: str, recording: Recording, stream: AudioStream
    ) -> None:
        del encoder
        self._container = container
        self._stream = container.add_stream_from_template(stream)
        _keep_language(stream, self._stream)
        base = Fraction(stream.time_base or 1 / Fraction(stream.rate))
        self._clock = Clock(recording.start, base)

    def add(self, packet: Any) -> None:
        """Write a packet."""
        stated = packet.pts if packet.dts is None else packet.dts
        later = packet.pts - packet.dts if packet.pts is not None and packet.dts is not None else 0
        packet.dts = self._clock.place(stated, packet.duration or 1)
        packet.pts = packet.dts + later
        packet.stream = self._stream
        self._container.mux(packet)

    def finish(self) -> None:
        """Write nothing: no packet is held back."""


class CodedSound:
    """Sound that is decoded and coded anew; see `CopiedSound`."""

    def __init__(
        self, container: OutputContainer, encoder: str, recording: Recording, stream: AudioStream
    ) -> None:
        rate_hz = stream.rate if stream.rate in _RATES_HZ[encoder] else _RATE_HZ
        self._layout = _LAYOUTS.get(stream.channels, "stereo")
        self._rate_hz, self._recording, self._source, self._container = rate_hz, recording, stream, container
        written = container.add_stream(encoder, rate=rate_hz, layout=self._layout)
        assert isinstance(written, AudioStream)
        self._stream: AudioStream = written
        _keep_language(stream, self._stream)
        self._stream.bit_rate = _BIT_RATE * self._stream.channels
        self._resampler = AudioResampler("flt" if encoder == "libopus" else "fltp", self._layout, rate_hz)
        self._start = round(recording.start * rate_hz)
        self._ended: int | None = None

    def add(self, packet: Any) -> None:
        """Decode a packet, and write what it holds."""
        for frame in self._recording.decoded(packet, self._source):
            self._put(frame)

    def finish(self) -> None:
        """Write what decoder, resampler and encoder hold back."""
        for frame in self._recording.decoded(None, self._source):
            self._put(frame)
        for frame in self._resampler.resample(None):
            self._encode(frame)
        if self._ended is not None:
            self._container.mux(self._stream.encode())

    def _put(self, frame: AudioFrame) -> None:
        if frame.pts is not None and frame.time_base is not None:
            at = round(frame.pts * Fraction(frame.time_base) * self._rate_hz) - self._start
            self._fill(at)
        frame.pts = None  # what comes out follows what came before: gaps are filled, and clocks may be wrong
        for part in self._resampler.resample(frame):
            self._encode(part)

    def _fill(self, at: int) -> None:
        """Write silence from where sound ended to where it goes on."""
        if self._ended is None:
            self._ended = at
            return
        gap = at - self._ended
        if not _GAP_S * self._rate_hz < gap < _LOST_S * self._rate_hz:
            return
        for part in self._resampler.resample(None):
            self._encode(part)
        while (gap := at - self._ended) > 0:
            n = min(gap, self._rate_hz)
            planar = self._resampler.format.is_planar
            shape = (self._stream.channels, n) if planar else (1, n * self._stream.channels)
            silence = AudioFrame.from_ndarray(
                np.zeros(shape, np.float32), format=self._resampler.format.name, layout=self._layout
            )
            silence.sample_rate = self._rate_hz
            self._encode(silence)
        self._resampler = AudioResampler(self._resampler.format.name, self._layout, self._rate_hz)

    def _encode(self, frame: AudioFrame) -> None:
        self._ended = self._ended or 0
        frame.pts, frame.time_base = self._ended, Fraction(1, self._rate_hz)
        self._ended += frame.samples
        self._container.mux(self._stream.encode(frame))


def _keep_language(source: AudioStream, written: Any) -> None:
    if source.language:
        written.metadata["language"] = source.language
