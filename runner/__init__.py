"""A declarative job scheduler and workflow runner, and the scheduling library Python programs embed."""

__version__ = "0.1.0"
version = __version__
