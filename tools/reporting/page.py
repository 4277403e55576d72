"""The report as one HTML page that needs nothing else: no script, no network. page.html is the page, with
what it lacks in braces; here it is filled in."""
import os
import re

import jinja2
from markupsafe import Markup

from . import published, tables, texts
from .answers import QUESTIONS, unpaid
from .plots import drawn
from .words import html

MARK = f"<title>{html(texts.TITLE)}</title>"  # by which a page from here is known


def shown(value):
    """What stands in the page for a value: nothing of it is HTML, unless it was made so here."""
    return value if isinstance(value, Markup) else Markup(html(value))


def code(words):
    """Our own words, in which backticks mean code."""
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", html(words)))


def plots(answer, machine, prefix):
    """An answer's plot for wide pages and for narrow ones, as SVG that was escaped where it was made."""
    return [Markup(svg) for svg in drawn(answer, machine, prefix)]


def page(machines):
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(os.path.dirname(__file__)), autoescape=True, finalize=shown,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    pages.filters["code"] = code
    return pages.get_template("page.html").render(
        machines=machines, published=published, texts=texts, tables=tables, questions=QUESTIONS, drawn=plots,
        unpaid=unpaid)
