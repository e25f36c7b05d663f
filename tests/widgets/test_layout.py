import pytest

from napari_kidney_seg.widgets.layout import Collapsible, css_color, text_color_on


def test_a_style_sheet_writes_colors_in_bytes():
    assert css_color((1.0, 0.5, 0.0)) == "rgb(255, 128, 0)"


@pytest.mark.parametrize(
    ("color", "text"),
    [((0, 0, 0), "white"), ((1, 1, 1), "black"), ((0.16, 0.78, 0.27), "black"), ((0.86, 0.16, 0.16), "white")],
)
def test_text_stands_out_from_its_background(color, text):
    assert text_color_on(color) == text


def test_a_collapsible_part_says_in_its_title_whether_it_is_open(qtbot):
    part = Collapsible("Keys")
    qtbot.addWidget(part)
    assert (part.text(), part.isExpanded()) == ("▸ Keys", False)

    part.toggleButton().click()
    assert (part.text(), part.isExpanded()) == ("▾ Keys", True)

    part.collapse(animate=False)
    assert part.text() == "▸ Keys"
