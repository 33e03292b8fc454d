"""A Markdown file as a reader sees it."""

import re

from markdown_it import MarkdownIt


def tables(text):
    """The cells of each table, row by row, as text."""
    found = []
    for token in _tokens(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and found and found[-1] and token.level > 3:
            found[-1][-1].append(_shown(token))
    return found


def prose(text):
    """All paragraphs, headings, items and cells, as text."""
    return [_shown(token) for token in _tokens(text) if token.type == "inline"]


def html(text):
    """Whatever would be HTML of the file's own."""
    parts = [part for token in _tokens(text) for part in (token, *(token.children or ()))]
    return [part.content for part in parts if part.type in ("html_inline", "html_block")]


def snippets(text):
    """The Python code in the file, by the heading above it."""
    headed = re.findall(r"^### (.+?)\n.*?```python\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    return dict(headed)


def _tokens(text):
    return MarkdownIt("commonmark").enable("table").parse(text.partition("\n---\n")[2])  # after the front matter


def _shown(token):
    return "".join("\n" if part.type == "softbreak" else part.content for part in token.children)
