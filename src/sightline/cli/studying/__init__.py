"""What `sightline study` does, one module a study.

Each has `RECIPES`, `settings_kind()`, `run(settings, folder)` and `words(study, folder)`.
"""
