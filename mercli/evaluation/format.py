"""What an evaluation's JSON calls itself."""

NAME, VERSION = "mercli-evaluation", 1
