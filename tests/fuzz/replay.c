/* The inputs in the folders named, given to a target one after another, without libFuzzer: what
 * once was of interest, or broke something, stays tried with every compiler. */
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

static void replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    FUZZ_REQUIRE(file, "%s can't be opened", path);
    struct stat status;
    FUZZ_REQUIRE(fstat(fileno(file), &status) == 0, "%s has no size", path);
    const size_t size = (size_t)status.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1); /* no larger, so that reading beyond it shows */
    FUZZ_REQUIRE(data && fread(data, 1, size, file) == size, "%s can't be read", path);
    fclose(file);
    fprintf(stderr, "%s\n", path); /* before, in case it does not return */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static size_t replay_folder(const char *folder) {
    DIR *entries = opendir(folder);
    FUZZ_REQUIRE(entries, "%s is not a folder that can be read", folder);
    size_t count = 0;
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') {
            replay_file(path);
            count++;
        }
    }
    closedir(entries);
    return count;
}

int main(int argc, char **argv) {
    size_t count = 0;
    for (int a = 1; a < argc; a++)
        count += replay_folder(argv[a]);
    FUZZ_REQUIRE(count > 0, "there was no input");
    printf("%zu inputs\n", count);
    return 0;
}
