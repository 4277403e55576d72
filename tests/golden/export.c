/* Writes the synthetic set in CIFAR-10's binary form, for a reference that reads only files.
 *
 *   export SAMPLES SEED FOLDER     writes FOLDER/data_batch_1.bin and FOLDER/test_batch.bin */
#include "trainer/dataset.h"

#include <stdio.h>
#include <stdlib.h>

static int write_images(const struct images *images, const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    int good = file != NULL;
    for (size_t i = 0; i < images->count && good; i++)
        good = fputc(images->labels[i], file) != EOF &&
               fwrite(images->pixels + i * CIFAR10_PIXELS, CIFAR10_PIXELS, 1, file) == 1;
    good = file && fclose(file) == 0 && good;
    if (!good)
        perror(path);
    return good;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("usage: export SAMPLES SEED FOLDER\n", stderr);
        return 2;
    }
    const struct dataset_options options = {.data = "synthetic",
        .samples = strtoull(argv[1], NULL, 10),
        .seed = strtoull(argv[2], NULL, 10),
        .threads = 1};
    struct dataset *dataset;
    struct error error;
    if (dataset_load(&options, &dataset, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    const int good = write_images(&dataset->train, argv[3], "data_batch_1.bin") &&
                     write_images(&dataset->test, argv[3], "test_batch.bin");
    dataset_free(dataset);
    return good ? 0 : 1;
}
