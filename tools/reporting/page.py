"""The report as one HTML page that needs nothing else: no script, no network."""
import os
import re

from . import published, tables, texts
from .answers import QUESTIONS
from .plots import drawn
from .words import html

HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
"""


MARK = f"<title>{html(texts.TITLE)}</title>"  # by which a page from here is known


def paragraph(words, kind=""):
    return f'<p class="{kind}">{html(words)}</p>' if kind else f"<p>{html(words)}</p>"


def own_paragraph(words):
    """Of our own words, in which backticks mean code."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", paragraph(words))


def missing(answer):
    return (f'<p class="missing">{html(answer.missing)} This would measure it: '
            f"<code>{html(answer.command)}</code></p>")


def figure(answer, machine, prefix):
    """A plot with what it says; under it its figures, as a table."""
    wide, narrow = drawn(answer, machine, prefix)
    return "\n".join((
        "<figure>", wide, narrow,
        f"<figcaption>{html(answer.headline)} {html(texts.MARKS[answer.key])}</figcaption>", "</figure>",
        "<details><summary>The figures of this plot</summary>", answer.table.html(), "</details>"))


def question(key, machine, prefix):
    answer = QUESTIONS[key](machine)
    return "\n".join((f"<h3>{html(answer.title)}</h3>", *([missing(answer)] if answer.missing else []),
                      *([figure(answer, machine, f"{prefix}-{key}")] if answer.figures else [])))


def opening(name, heading):
    return f'<section id="{name}" aria-labelledby="{name}-h">\n<h2 id="{name}-h">{html(heading)}</h2>'


def section(machine, prefix):
    parts = [opening(prefix, machine.name),
             paragraph(texts.facts(machine)), paragraph(texts.counted(machine), "quiet")]
    for heading, table, keys in (
            ("The benchmark", tables.benchmark_table, ("epochs", "phases", "losses")),
            ("Other shapes", tables.shapes_table, ("shapes",)),
            ("Threads", tables.threads_table, ("threads",)), ("Peaks", tables.peaks_table, ())):
        table = table(machine)
        if table:
            parts += [f"<h3>{html(heading)}</h3>", table.html()]
        parts += [question(key, machine, prefix) for key in keys]
    if machine.warnings:
        parts += ["<h3>Warnings while it was measured</h3>", "<ul>",
                  *(f"<li>{html(warning)}</li>" for warning in texts.warned(machine)), "</ul>"]
    return "\n".join(parts + ["</section>"])


def closing(machines):
    """The sections after those of the machines: (id, heading, words, table or None)."""
    refused, unmeasured = tables.refused_table(machines), tables.unmeasured_table(machines)
    yield ("published", f"Published in {published.YEAR}, not measured by us", texts.PUBLISHED,
           tables.published_table())
    yield "refused", "Refused rows", texts.REFUSED if refused else "None.", refused
    yield "unmeasured", "Not measured", texts.UNMEASURED if unmeasured else "Nothing.", unmeasured
    yield "seconds", "What each second is", texts.TOGETHER, None


def definitions():
    return "\n".join(("<dl>", *(f"<dt>{html(phase)}</dt><dd>{html(what)}</dd>"
                                for phase, what in texts.DEFINITIONS), "</dl>"))


def contents(machines, endings):
    links = [(f"m{index}", machine.name) for index, machine in enumerate(machines, 1)]
    links += [(name, heading) for name, heading, _, _ in endings]
    return "\n".join(('<nav aria-label="Contents"><ul>',
                      *(f'<li><a href="#{name}">{html(words)}</a></li>' for name, words in links),
                      "</ul></nav>"))


def page(machines):
    with open(os.path.join(os.path.dirname(__file__), "page.css"), encoding="utf-8") as file:
        style = file.read()
    endings = list(closing(machines))
    parts = [HEAD.format(title=html(texts.TITLE), style=style) + f"<h1>{html(texts.TITLE)}</h1>"]
    parts += [paragraph(sentence, "lead") for sentence in texts.said(machines)]
    parts += [own_paragraph(texts.WORKLOAD), own_paragraph(texts.HOW), contents(machines, endings)]
    parts += [section(machine, f"m{index}") for index, machine in enumerate(machines, 1)]
    for name, heading, words, table in endings:
        parts += [opening(name, heading),
                  *([definitions()] if name == "seconds" else []), own_paragraph(words),
                  *([table.html()] if table else []), "</section>"]
    return "\n".join(parts + ["</main>", "</body>", "</html>", ""])
