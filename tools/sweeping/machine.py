"""What else this machine does while it is measured, as far as its system says."""
import glob
import os
import resource
import shutil
import subprocess
import time

BUSY = 0.1  # cores that others may take before it is worth a warning
GPU_QUERY = "clocks_throttle_reasons.hw_slowdown,clocks_throttle_reasons.sw_thermal_slowdown," \
    "clocks_throttle_reasons.sw_power_cap"
GPU_REASONS = ("hardware slowdown", "heat", "the power limit")


def read(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return None


def output(*command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def busy_seconds():
    """Processor seconds of everything since the start, with what a host has taken away; None where the
    system does not say."""
    line = (read("/proc/stat") or "").split("\n")[0].split()
    if line[:1] != ["cpu"] or len(line) < 9:
        return None
    user, nice, system, _, _, interrupts, soft, stolen = map(int, line[1:9])
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


def own_seconds():
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def cpu_throttles():
    """How often the CPU has been slowed down for its heat; None where the system does not say."""
    counts = [read(path) for path in
              glob.glob("/sys/devices/system/cpu/cpu*/thermal_throttle/core_throttle_count")]
    pi = output("vcgencmd", "get_throttled") if shutil.which("vcgencmd") else ""
    if pi:
        return int(pi.split("=")[1], 16) & 0xf
    return sum(map(int, filter(None, counts))) if counts else None


def gpu_throttles():
    """Why the clocks of a GPU are held down just now, in words."""
    reasons = set()
    if shutil.which("nvidia-smi"):
        for line in output("nvidia-smi", f"--query-gpu={GPU_QUERY}", "--format=csv,noheader").splitlines():
            reasons |= {reason for reason, state in zip(GPU_REASONS, line.split(", ")) if state == "Active"}
    return sorted(reasons)


def slow_clocks():
    """What keeps the CPU's clocks low for as long as it is set so, in words."""
    folders = glob.glob("/sys/devices/system/cpu/cpu*/cpufreq")
    # With a driver that leaves it to the hardware, "powersave" is its usual name and keeps nothing low.
    governors = {read(f"{folder}/scaling_governor") for folder in folders
                 if "pstate" not in (read(f"{folder}/scaling_driver") or "")} & {"powersave", "conservative"}
    said = [f"the CPU's frequency governor is {name}" for name in sorted(governors)]
    limits = {(read(f"{folder}/scaling_max_freq"), read(f"{folder}/cpuinfo_max_freq")) for folder in folders}
    return said + [f"the CPU's frequency is limited to {int(limit) / 1e6:.1f} of {int(most) / 1e6:.1f} GHz"
                   for limit, most in sorted(pair for pair in limits if None not in pair)
                   if int(limit) < int(most)]


class Watch:
    """From its making until `stop`: what others did."""

    def __init__(self, gpu):
        self.gpu = gpu
        self.start, self.busy, self.own = time.monotonic(), busy_seconds(), own_seconds()
        self.throttles = cpu_throttles()

    def stop(self):
        """(cores that other processes took, or None; warnings)."""
        seconds = time.monotonic() - self.start
        busy, others, warnings = busy_seconds(), None, []
        if busy is not None and self.busy is not None:
            others = max(0.0, (busy - self.busy) - (own_seconds() - self.own)) / max(seconds, 1e-9)
            # The system counts in ticks, which say little of what is short.
            if others > BUSY and others * seconds > 0.1:
                warnings.append("other processes took processor time")
        throttles = cpu_throttles()
        if throttles and throttles != self.throttles:
            warnings.append("the CPU was slowed down for its heat")
        if self.gpu:
            warnings += [f"the GPU's clocks were held down by {reason}" for reason in gpu_throttles()]
        return others, warnings
