"""The face: frames -> detected and followed face -> crops -> per-frame scores -> one vector a clip."""
