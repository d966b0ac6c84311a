"""`python -m gyrax`."""

from gyrax.commands.app import main

if __name__ == "__main__":
    main()
