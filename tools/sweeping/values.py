"""Lists and ranges of values, and their cross product."""
import itertools
import re

RANGE = re.compile(r"(\d+)-(\d+)(?:([+*])(\d+))?")
AS_THEY_ARE = {"layers", "data", "init"}  # a comma is part of one value


def expand(option, text):
    """The values that `text` gives an option: "100,300", "1-4", "100-1000+300", "100-3200*2"."""
    if option in AS_THEY_ARE:
        return [text]
    values = []
    for word in text.split(","):
        match = RANGE.fullmatch(word)
        if not match:
            values.append(word)
            continue
        value, last = int(match[1]), int(match[2])
        step = int(match[4] or 1)
        grows = step > 1 and value > 0 if match[3] == "*" else step > 0
        if value > last or not grows:
            raise ValueError(f"--{option} {word}: a range goes up: FIRST-LAST, FIRST-LAST+STEP or "
                             "FIRST-LAST*FACTOR")
        while value <= last:
            values.append(str(value))
            value = value * step if match[3] == "*" else value + step
    if "" in values:
        raise ValueError(f"--{option} {text}: an empty value")
    return values


def product(lists):
    """Every combination of {option: values} as a dictionary, the last option changing first."""
    return [dict(zip(lists, combination)) for combination in itertools.product(*lists.values())]


def words(options):
    """A dictionary of options as words of a command line; a flag's value is None."""
    return [word for name, value in options.items()
            for word in ([f"--{name}"] if value is None else [f"--{name}", value])]
