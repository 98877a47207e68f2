from typing import Any

from sightline.cli.map_words import maps_table, row_words

Record = dict[str, Any]


def entry(
    index: Any, name: Any, probability: Any, inside: Any = None, pictures: tuple[str, ...] = ("x.png",)
) -> Record:
    several = isinstance(index, list)
    nothing = [None] * len(index) if several else None
    return {
        "class": name,
        "class_index": index,
        "logit": nothing,
        "probability": probability,
        "relevance_inside": inside if inside is not None else nothing,
        "gap": nothing,
        "pictures": list(pictures),
    }


def record(maps: dict[str, Record], label: str | None = None) -> Record:
    return {"case": "p1", "label": label, "probabilities": {"normal": 0.13, "nodule": 0.87}, "maps": maps}


def test_words_say_what_was_explained_answered_and_is_true() -> None:
    found = record({"lrp": entry([0, 1], ["normal", "nodule"], [0.13, 0.87], pictures=("a", "b"))}, "normal")
    words = row_words(found, 1).replace("\N{NO-BREAK SPACE}", " ")
    assert words == "predicted nodule, 87 %; true: normal"
    words = row_words(found, 0).replace("\N{NO-BREAK SPACE}", " ")
    assert words == "explained normal, 13 %; predicted nodule, 87 %; true: normal"
    assert "true" not in row_words({**found, "label": None}, 1)


def test_a_table_has_a_row_a_case_and_class() -> None:
    found = record({"lrp": entry([0, 1], ["normal", "nodule"], [0.13, 0.87], [0.5, None], ("a", "b"))})
    assert [line.split() for line in maps_table([found]).splitlines()] == [
        ["case", "explained", "probability", "lrp", "inside"],
        ["p1", "normal", "13", "%", "50", "%"],
        ["p1", "nodule", "87", "%", "-"],
    ]


def test_shares_are_left_out_where_none_is_known() -> None:
    few = record({"lrp": entry(1, "nodule", 0.87), "rise": entry(1, "nodule", 0.87)})
    assert maps_table([few]).splitlines()[0].split() == ["case", "explained", "probability"]
    many = record({f"m{number}": entry(1, "nodule", 0.87) for number in range(5)})
    head, *rows = maps_table([many]).splitlines()
    assert head.split() == ["case", "explained", "probability", "method"]
    assert len(rows) == 5


def test_one_share_is_enough_for_all_columns() -> None:
    found = record({"lrp": entry(1, "nodule", 0.87, 0.25), "rise": entry(1, "nodule", 0.87)})
    assert maps_table([found]).splitlines()[1].split()[-3:] == ["25", "%", "-"]
