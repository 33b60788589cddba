"""Run mercli as ``python -m mercli``."""

from mercli.cli import main

if __name__ == "__main__":
    main()
