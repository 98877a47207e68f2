"""What `sightline prepare` does: one module a verb, with `configure(parser)` and `run(arguments) -> int`."""
