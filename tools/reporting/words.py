"""Numbers and foreign text as a report shows them. Names and messages come from drivers, libraries and
files that anybody may have written, so none of it is trusted: each goes through one of `clean` (what is
drawn, and what a terminal shows), `html` and `markdown`."""
import html as entities
import math
import re

# Controls, line ends and directions of text, halves of characters, and what is no character at all.
UNSHOWN = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
                     "\ufdd0-\ufdef\ufffe\uffff"
                     + "".join(chr(plane + last) for plane in range(0x10000, 0x110000, 0x10000)
                               for last in (0xfffe, 0xffff)) + "]")
LONGEST = 300


def clean(value, longest=LONGEST):
    """One line of characters that can be shown; "?" stands for each that can't. `longest` may be None."""
    text = " ".join(UNSHOWN.sub("?", str(value)).split())
    return text if longest is None or len(text) <= longest else text[:longest - 1] + "…"


def html(value, longest=500):
    """Text that means nothing to HTML, in an attribute either."""
    return entities.escape(clean(value, longest))


def markdown(value):
    """Text that means nothing to Markdown within a line, in a table's cell either, and is no address to link
    to. A comment parts what GitHub would take for somebody (@name) or for a picture (:name:)."""
    text = re.sub(r"([\\`*_{}\[\]<>|~&$#])", r"\\\1", clean(value, 500))
    text = re.sub(r"(?i)(https?|ftp)(://)", r"\1\\\2", text).replace("www.", "www&#46;")
    return re.sub(r"(@(?=\w)|:(?=[\w+-]+:))", r"\1<!-- -->", text)


def markdown_item(value):
    """An item of a list, whose text begins with no mark of another."""
    return "- " + re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", markdown(value))


def number(value, digits=3):
    """With so many significant digits, and commas."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if not 1e-9 <= abs(value) < 1e15:
        return f"{value:.{digits - 1}e}"
    value = float(f"{value:.{digits - 1}e}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def spread(triple):
    """"median (least–greatest)"; the median alone where there is only one value."""
    median, least, greatest = triple
    if least == greatest:
        return number(median)
    return f"{number(median)} ({number(least)}–{number(greatest)})"


def percent(share):
    return "-" if share is None else f"{number(100 * share, 2 if share < 0.995 else 3)} %"


def memory(count):
    return f"{number(count / 2**30)} GiB"


def plural(count, one, many=None):
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(words):
    """"a, b and c"."""
    words = list(words)
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def unique_texts(values):
    """Those that are there, cleaned, each once."""
    return list(dict.fromkeys(clean(value) for value in values if value not in (None, "")))
