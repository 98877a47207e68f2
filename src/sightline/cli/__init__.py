"""The command line: one file a verb, thin, over functions of the library."""
