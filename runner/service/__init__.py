"""The daemon: configuration, file watching, engine and signals, put together."""
