/* Every public header, and one function of the library. */
#include <trainer/checkpoint.h>
#include <trainer/dataset.h>
#include <trainer/device.h>
#include <trainer/error.h>
#include <trainer/host.h>
#include <trainer/network.h>
#include <trainer/random.h>
#include <trainer/record.h>
#include <trainer/training.h>

#include <stdio.h>

static void print_spec(void *context, const struct device_entry *entry) {
    (void)context;
    puts(entry->spec);
}

int main(void) {
    device_list(print_spec, NULL);
    return 0;
}
