"""A declarative job scheduler and workflow runner, and the scheduling library Python programs embed."""

__version__ = "0.1.0"
version = release = __version__
version_info = tuple(int(part) if part.isdigit() else part for part in __version__.split("."))
