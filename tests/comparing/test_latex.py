from sightline.comparing.latex import escape, latex_table


def test_a_table_by_hand() -> None:
    text = latex_table(["recipe", "a & b"], {"isnet_x": ["0.81 [0.7, 0.9]"]}, caption="100 %")
    assert text.splitlines() == [
        r"\begin{table}",
        r"\caption{100 \%}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"recipe & a \& b \\",
        r"\midrule",
        r"isnet\_x & 0.81 [0.7, 0.9] \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_no_character_is_taken_for_a_command() -> None:
    assert escape(r"a\b~c^d{e}#$") == r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d\{e\}\#\$"
