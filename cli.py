"""The command line from a clone: the same as `gyrax`, or `python -m gyrax`, once it is installed."""

from gyrax.commands.app import app as app
from gyrax.commands.app import main

if __name__ == "__main__":
    main()
