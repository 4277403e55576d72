"""What the machine is, and has: its facts, the program, its devices."""
import json
import os
import platform
import subprocess
import time

from sweeping.programs import Trainer

from .commands import last_line

GPU_FACTS = ("name", "driver_version", "memory.total", "clocks.sm", "clocks.mem", "clocks.max.sm",
             "clocks.max.mem", "power.limit", "power.draw", "temperature.gpu", "compute_cap")


def describe_machine(commands):
    """environment.json; called before and after what is measured."""
    def first(command):
        status, output, _ = commands.run(command, seconds=20)
        return output.strip() if status == 0 else None

    def gpus():
        lines = first(["nvidia-smi", "--query-gpu=" + ",".join(GPU_FACTS), "--format=csv,noheader"])
        return [dict(zip(GPU_FACTS, (fact.strip() for fact in line.split(","))))
                for line in (lines or "").splitlines()]

    path = commands.path("environment.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            facts = {**json.load(file), "gpus_after": gpus()}
    else:
        facts = {"gpus": gpus(), "nvcc": first(["nvcc", "--version"]), "lscpu": first(["lscpu"]),
                 "system": platform.platform(), "cores": os.cpu_count(),
                 "commit": None, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        commands.say(f"GPU: {facts['gpus'][0]['name'] if facts['gpus'] else 'nvidia-smi names none'}")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=1)


def build(commands, *target):
    """Whether all of it could be built, or a target."""
    command = ["cmake", "--build", "--preset", "release", "--parallel", str(os.cpu_count())]
    what = "the rest of the build" if not target else "build"
    return commands.must(what, command + [word for one in target for word in ("--target", one)], "build.log")[0] == 0


def build_program(commands):
    """The program; None when it can't be built."""
    if commands.must("configure", ["cmake", "--preset", "release"], "build.log")[0] != 0:
        return None
    built = build(commands, "trainer_program")
    return os.path.join(commands.root, "build", "release", "trainer") if built else None


def identify(commands, options, program):
    """Notes the program's commit, and finds the data where they are not named. None when it does not
    work."""
    try:
        trainer = Trainer(program, commands.out)
        options.data = options.data or trainer.data()
    except (OSError, ValueError, subprocess.SubprocessError) as problem:
        commands.fail("trainer", str(problem))
        return None
    with open(commands.path("environment.json"), encoding="utf-8") as file:
        facts = {**json.load(file), "commit": trainer.commit}
    with open(commands.path("environment.json"), "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=1)
    return program


def find_devices(commands, trainer, wanted):
    """Those that are here. One that is not is a failure, but for opencl, whose driver many lack."""
    status, output, errors = commands.run([trainer, "--list-devices"], seconds=60)
    if status != 0:
        commands.fail("--list-devices", f"exit status {status}: {last_line(errors)}")
        return []
    with open(commands.path("build.log"), "a", encoding="utf-8") as file:
        print(output, file=file)
    listed = {line.split(":")[0].split()[0]: line for line in output.strip().split("\n")}
    here = [device for device in wanted if "not here: " not in listed.get(device, "not here: ")]
    for device in wanted:
        if device not in here and device == "opencl":
            commands.note(listed.get(device, "opencl: not here"))
        elif device not in here:
            commands.fail(device, listed.get(device, "not here"))
    return here
