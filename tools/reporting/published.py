"""The rows that the benchmark itself was published with, in 2021. They are not measured by us: other
machines, other software, other clocks."""

TITLE = "Numerical Elixir Benchmark: CIFAR10 with 3-Layer DenseNN"
YEAR = 2021
HEADING = f"Published in {YEAR}, not measured by us"

# Of each backend, what comes nearest to it in this program.
NEAREST = {"pure Elixir": "reference, 1 thread", "multi-threaded": "reference, all threads",
           "LibTorch CPU": "cpu", "LibTorch GPU": "cuda"}

# (hardware, backend, OTP's version, load data set, to batched input, mean epoch), the last three in
# seconds and as they were printed.
ROWS = (
    ("Raspberry Pi 4", "pure Elixir", 25, "194.427", "11.917", "27336.010"),
    ("Raspberry Pi 4, 4 cores", "multi-threaded", 25, "207.923", "11.855", "18210.347"),
    ("Raspberry Pi 4", "LibTorch CPU", 24, "15.334", "4.880", "17.170"),
    ("Raspberry Pi 4", "LibTorch CPU", 25, "16.372", "4.442", "16.207"),
    ("Core i9-8950HK", "pure Elixir", 24, "17.994", "3.036", "4460.758"),
    ("Core i9-8950HK", "multi-threaded", 24, "17.826", "2.934", "1471.090"),
    ("Core i9-8950HK", "LibTorch CPU", 24, "2.141", "0.778", "0.841"),
    ("Ryzen 9 3900XT", "pure Elixir", 24, "6.058", "2.391", "3670.930"),
    ("Ryzen 9 3900XT", "multi-threaded", 24, "6.034", "2.536", "786.443"),
    ("Ryzen 9 3900XT", "LibTorch CPU", 24, "1.653", "0.617", "0.770"),
    ("RTX 3090, Ryzen 9 3900XT", "LibTorch GPU", 24, "1.630", "0.652", "0.564"),
    ("M1 Max", "pure Elixir", 24, "11.090", "2.135", "3003.321"),
    ("M1 Max", "multi-threaded", 24, "10.925", "2.154", "453.536"),
    ("M1 Max", "pure Elixir", 25, "9.458", "1.548", "3257.853"),
    ("M1 Max", "multi-threaded", 25, "9.949", "1.527", "436.385"),
    ("M1 Max", "LibTorch CPU", 24, "1.702", "1.900", "0.803"),
    ("M1 Max", "LibTorch CPU", 25, "1.599", "0.745", "0.773"),
)


def nearest(backend):
    return NEAREST[backend]


def fastest_first():
    return sorted(ROWS, key=lambda row: float(row[5]))
