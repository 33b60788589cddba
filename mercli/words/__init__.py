"""What is said in a clip: transcripts found and read, and the vectors that a text classifier takes."""
