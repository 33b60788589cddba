"""The voice: 16 kHz samples -> short-term -> mid-term -> what a classifier is asked about a clip, a row a view."""
