from __future__ import annotations

import pytest

from oboromi_fs.metadata.languages import best_title, languages_of, languages_of_environment
from oboromi_fs.metadata.titles import ApplicationTitle


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("Japanese", (2,)),
        ("americanenglish", (0,)),
        ("13", (13,)),
        ("ja", (2,)),
        ("ja_JP.UTF-8", (2,)),
        ("en", (0, 1)),
        ("en_US.UTF-8", (0, 1)),
        ("en-GB", (1, 0)),
        ("en_AU", (1, 0)),
        ("fr", (3, 9)),
        ("fr-CA", (9, 3)),
        ("de_AT@euro", (4,)),
        ("es_ES", (6, 5)),
        ("es-419", (5, 6)),
        ("it", (7,)),
        ("nl_BE", (8,)),
        ("pt_PT", (10, 15)),
        ("pt-BR", (15, 10)),
        ("ru", (11,)),
        ("ko", (12,)),
        ("zh", (14, 13)),
        ("zh_TW", (13, 14)),
        ("zh-Hant-HK", (13, 14)),
        ("zh-Hans", (14, 13)),
        ("C", ()),
        ("POSIX", ()),
        ("", ()),
        ("tlh", ()),
        ("\udcff-\0", ()),
    ],
)
def test_codes_and_names(text: str, languages: tuple[int, ...]) -> None:
    assert languages_of(text) == languages


def test_the_environment() -> None:
    assert languages_of_environment({"LANG": "de_DE.UTF-8"}) == (4,)
    assert languages_of_environment({"LANG": "de_DE.UTF-8", "LC_ALL": "", "LC_MESSAGES": "ja_JP"}) == (2,)
    assert languages_of_environment({"LANG": "de_DE.UTF-8", "LC_ALL": "C", "LC_MESSAGES": "ja_JP"}) == ()
    assert languages_of_environment({}) == ()


def test_which_title_is_shown() -> None:
    def titles(**names: str) -> list[ApplicationTitle]:
        return [ApplicationTitle(names.get(f"t{number}", "")) for number in range(16)]

    assert best_title(titles(t0="US", t3="FR"), (9, 3)) == (ApplicationTitle("FR"), 3)
    assert best_title(titles(t0="US", t3="FR"), (2,)) == (ApplicationTitle("US"), 0)
    assert best_title(titles(t5="MX", t7="IT"), (2,)) == (ApplicationTitle("MX"), 5)
    assert best_title(titles(t5="a\0b"), (99,)) == (ApplicationTitle("a"), 5)
    assert best_title(titles(), (2,)) is None
