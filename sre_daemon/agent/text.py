"""Foreign text on its way to the model: cleaned, capped, and fenced so that it stays data."""

import re
import secrets
import unicodedata

# Categories that a reader does not see but a model does: control characters, bidi and zero-width
# marks and tag characters (Cf), private use, surrogates, line and paragraph separators.
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
KEPT = frozenset("\n\t")
MAX_CHARS = 4000


def clean(text: str, limit: int = MAX_CHARS) -> str:
    """`text` without invisible characters, cut to `limit` characters with a note of the cut."""
    lines = re.sub("\r\n?|\u2028|\u2029|\u0085", "\n", text)
    visible = "".join(c for c in lines if c in KEPT or unicodedata.category(c) not in INVISIBLE)
    if len(visible) <= limit:
        return visible
    return f"{visible[:limit]} [cut: {len(visible) - limit} characters more]"


class Fence:
    """Marks foreign text with a name that nobody outside can know; one per prompt."""

    def __init__(self, marker: str = "") -> None:
        self.marker = marker or secrets.token_hex(16)

    @property
    def opening(self) -> str:
        """The line before the data, without its title."""
        return f"<data-{self.marker}"

    @property
    def closing(self) -> str:
        """The line after the data."""
        return f"</data-{self.marker}>"

    def wrap(self, title: str, text: str, limit: int = MAX_CHARS) -> str:
        """`text` as one block of data; the title is foreign too."""
        name = self._safe(title, 100).replace("\n", " ").replace('"', "'")
        return f'{self.opening} title="{name}">\n{self._safe(text, limit)}\n{self.closing}'

    def _safe(self, text: str, limit: int) -> str:
        # After the cleaning: a marker split by invisible characters would be whole again only then.
        return re.sub(re.escape(self.marker), "[removed]", clean(text, limit), flags=re.IGNORECASE)
