"""The report's tables as Markdown: the README.md of a folder of results."""
import re

from . import answers, published, tables, texts
from .words import markdown, markdown_item


MARK = f"# {texts.TITLE}\n"  # by which a file from here is known


def words(text):
    """Our own, in which backticks mean code."""
    return re.sub(r"\\`(.*?)\\`", r"`\1`", markdown(text))


def section(machine):
    parts = [f"## {markdown(machine.name)}", markdown(texts.facts(machine)), markdown(texts.counted(machine))]
    for table in (tables.benchmark_table, tables.shapes_table, tables.targets_table, tables.threads_table,
                  tables.strong_scaling_table, tables.weak_scaling_table, tables.peaks_table):
        table = table(machine)
        if table:
            parts.append(table.markdown())
    parts += map(markdown, answers.unpaid(machine))
    if machine.warnings:
        parts += ["Warnings while it was measured:",
                  "\n".join(map(markdown_item, texts.warned(machine)))]
    return parts


def summary(machines):
    parts = [f"# {texts.TITLE}", *map(markdown, texts.said(machines)), words(texts.WORKLOAD),
             words(texts.HOW) + " The plots are in [report.html](report.html)."]
    for machine in machines:
        parts += section(machine)
    parts += [f"## {published.HEADING}", words(texts.PUBLISHED),
              tables.published_table().markdown()]
    for heading, text, table in (("Refused rows", texts.REFUSED, tables.refused_table(machines)),
                                 ("Not measured", texts.UNMEASURED, tables.unmeasured_table(machines))):
        if table:
            parts += [f"## {heading}", words(text), table.markdown()]
    parts += ["## What each second is",
              "\n".join(markdown_item(f"{phase}: {what}") for phase, what in texts.DEFINITIONS),
              words(texts.TOGETHER)]
    return "\n\n".join(parts) + "\n"
