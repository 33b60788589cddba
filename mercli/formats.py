"""What media are to mercli: the names that they end in, and the rates at which they are measured."""

SAMPLE_RATE_HZ = 16_000

SOUNDFILE_SUFFIXES = frozenset({".aif", ".aiff", ".flac", ".oga", ".ogg", ".w64", ".wav"})
SOUND_SUFFIXES = SOUNDFILE_SUFFIXES | {".aac", ".ac3", ".amr", ".m4a", ".mka", ".mp2", ".mp3", ".opus", ".wma"}
"""Names of files that hold sound alone."""

SUFFIXES = SOUND_SUFFIXES | {
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"),
    *(".ogv", ".ts", ".vob", ".webm", ".wmv"),
}
"""What a walk through a folder takes for media; a file named outright is tried whatever its name."""

FRAME_RATE_HZ = 10.0
"""About how many frames a second are looked at."""

TRANSCRIPT_SUFFIXES = (".srt", ".vtt", ".txt")
"""Endings of transcripts, the better ones first: the last has no times."""
