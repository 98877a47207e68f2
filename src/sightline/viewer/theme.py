"""The colours of the report, as variables of the page's style sheet."""

from sightline.reporting.themes import DARK, LIGHT, Theme


def theme_css() -> str:
    """Write both themes: light, and dark where the system or the page's switch says so."""
    dark = _variables(DARK)
    return (
        f":root {{{_variables(LIGHT)}}}\n"
        f'@media (prefers-color-scheme: dark) {{ :root:not([data-theme="light"]) {{{dark}}} }}\n'
        f':root[data-theme="dark"] {{{dark}}}\n'
    )


def _variables(theme: Theme) -> str:
    names = ("paper", "panel", "ink", "muted", "line", "accent", "plain")
    colours = [f"--{name}: {getattr(theme, name)};" for name in names]
    colours += [f"--other-{index}: {colour};" for index, colour in enumerate(theme.others)]
    return f" color-scheme: {theme.name}; {' '.join(colours)} "
