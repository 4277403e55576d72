#include "program/environment.h"

#include "trainer/device.h"

#include <stdlib.h>

void environment_set(const char *spec) {
    const char *name, *value;
    while ((name = device_environment(spec, &value)) && setenv(name, value, 1) == 0)
        continue;
}
