"""The version: the package's metadata and `gyrax --version` have it from here."""

__version__ = "0.1.0"
