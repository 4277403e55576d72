/* Writes what the library draws from a seed to standard output, for a comparison by the byte.
 *
 *   export images SAMPLES SEED     of the synthetic set, as CIFAR-10's records: training, then test
 *   export order COUNT SEED PASS   of the samples of a pass, as 32-bit numbers of this machine
 */
#include "trainer/dataset.h"
#include "trainer/random.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool write_images(const struct images *images) {
    bool good = true;
    for (size_t i = 0; i < images->count && good; i++)
        good = putchar(images->labels[i]) != EOF &&
               fwrite(images->pixels + i * CIFAR10_PIXELS, CIFAR10_PIXELS, 1, stdout) == 1;
    return good;
}

static bool export_images(size_t samples, uint64_t seed) {
    const struct dataset_options options = {
        .data = "synthetic", .samples = samples, .seed = seed, .threads = 2};
    struct dataset *dataset;
    struct error error;
    if (dataset_load(&options, &dataset, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.message);
        return false;
    }
    const bool good = write_images(&dataset->train) && write_images(&dataset->test);
    dataset_free(dataset);
    return good;
}

static bool export_order(size_t count, uint64_t seed, uint32_t pass) {
    uint32_t *order = malloc(count * sizeof *order);
    if (!order)
        return false;
    random_permutation(seed, RANDOM_ORDER, pass, order, count);
    const bool good = fwrite(order, sizeof *order, count, stdout) == count;
    free(order);
    return good;
}

int main(int argc, char **argv) {
    unsigned long long numbers[3] = {0};
    for (int n = 2; n < argc && n < 5; n++)
        numbers[n - 2] = strtoull(argv[n], NULL, 10);
    bool good;
    if (argc == 4 && strcmp(argv[1], "images") == 0) {
        good = export_images(numbers[0], numbers[1]);
    } else if (argc == 5 && strcmp(argv[1], "order") == 0) {
        good = export_order(numbers[0], numbers[1], (uint32_t)numbers[2]);
    } else {
        fputs("usage: export images SAMPLES SEED | export order COUNT SEED PASS\n", stderr);
        return 2;
    }
    return good && fflush(stdout) == 0 ? 0 : 1;
}
