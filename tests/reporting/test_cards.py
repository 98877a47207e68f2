from pathlib import Path

import pytest

from sightline.errors import DataError
from sightline.reporting import Card, CardPart, Score, Table, card_markdown, write_cards

TABLE = Table("By split", ("Tested on", "F1", "Images"), (("test", Score(0.5, 0.4, 0.6), 12), ("odd|name", None, None)))
CARD = Card("Model card: plain", "model_card.md", (CardPart("Scores", {"Licence": "unknown"}, ("Words.",), (TABLE,)),))


def test_a_card_is_plain_markdown() -> None:
    text = card_markdown(CARD)
    assert text.startswith("# Model card: plain\n\n## Scores\n\nWords.\n\n- **Licence:** unknown\n")
    assert "| Tested on | F1 | Images |\n| --- | --: | --: |\n| test | 0.50 (0.40 to 0.60) | 12 |\n" in text
    assert "| odd\\|name | \N{EN DASH} | \N{EN DASH} |" in text


def test_what_a_user_wrote_is_text() -> None:
    part = CardPart("<script>", {"*a*": "b_c\n# d"})
    assert "\\<script\\>" in card_markdown(Card("x", "x.md", (part,)))
    assert "- **\\*a\\*:** b\\_c \\# d\n" in card_markdown(Card("x", "x.md", (part,)))


def test_cards_are_written_under_their_names(tmp_path: Path) -> None:
    (file,) = write_cards(tmp_path / "new", [CARD])
    assert file == tmp_path / "new" / "model_card.md"
    assert file.read_text(encoding="utf-8") == card_markdown(CARD)


def test_a_line_with_another_number_of_cells_is_refused() -> None:
    with pytest.raises(DataError, match="By split: a line must have 3 cells, got 1"):
        Table("By split", TABLE.columns, (("test",),))


def test_columns_with_words_are_told_from_numbers() -> None:
    assert TABLE.textual == (True, False, False)
