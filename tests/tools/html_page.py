"""A page of HTML taken apart, with the mistakes of its structure."""

import itertools
import re
from html.parser import HTMLParser

_VOID = {"meta", "link", "input", "img", "br", "wbr", "line", "circle", "polyline"}
_EMPTY = {"line", "circle", "polyline"}


class Parsed(HTMLParser):
    """A page taken apart: `tags` with their attributes in order, `text`, and `mistakes` of its structure."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.mistakes, self._open = [], "", [], []
        self.feed(text)
        self.close()
        self.mistakes += [f"{tag} is never closed" for tag in self._open]
        ids = self.values("id")
        self.mistakes += [f"id {name} twice" for name in {name for name in ids if ids.count(name) > 1}]
        levels = [int(tag[1]) for tag, _ in self.tags if re.fullmatch("h[1-6]", tag)]
        if levels[:1] != [1] or any(b > a + 1 for a, b in itertools.pairwise(levels)) or levels.count(1) > 1:
            self.mistakes.append(f"headings are out of order: {levels}")
        targets = [*self.values("aria-labelledby"), *(link[1:] for link in self.values("href") if link[:1] == "#")]
        self.mistakes += [f"nothing is called {name}" for part in targets for name in part.split() if name not in ids]

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in _EMPTY:
            self.mistakes.append(f"<{tag}/> is not closed by a slash in HTML")

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.mistakes.append(f"</{tag}> where something else is open, line {self.getpos()[0]}")

    def handle_data(self, data):
        self.text += data

    def values(self, attribute):
        """Of an attribute, wherever it stands."""
        return [values[attribute] for _, values in self.tags if attribute in values]

    def all(self, tag):
        """The attributes of each of these."""
        return [values for name, values in self.tags if name == tag]
