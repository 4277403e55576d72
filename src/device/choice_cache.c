#include "device/choice_cache.h"

#include "device/choices.h"
#include "device/program_cache.h"

#include <stdlib.h>
#include <string.h>

static bool find_algorithm(
    const struct algorithms *algorithms, const char *name, size_t length, size_t *algorithm) {
    for (size_t a = 0; a < algorithms->count; a++)
        if (strlen(algorithms->all[a].name) == length &&
            memcmp(algorithms->all[a].name, name, length) == 0) {
            *algorithm = a;
            return true;
        }
    return false;
}

/* Gives the algorithm that was chosen by the run that this one continues; false when there is none.
 * If it chose one that isn't here any more, the device's info gets a warning. */
static bool take_over(struct device *device, const struct algorithms *algorithms, const char *what,
    size_t *algorithm) {
    char name[CHOICE_NAME];
    if (!choices_find(device, what, name))
        return false;
    const bool found = find_algorithm(algorithms, name, strlen(name), algorithm);
    if (!found)
        choices_miss(device, name);
    return found;
}

/* Gives the algorithm that some earlier run has left in the program cache; false when there is
 * none. */
static bool load(const struct device *device, const struct algorithms *algorithms, const char *what,
    size_t *algorithm) {
    void *content = NULL;
    size_t key_length = 0, length = 0;
    char *key = algorithms->make_key(device, what, &key_length);
    const bool found = key && program_cache_load(key, key_length, &content, &length) &&
                       find_algorithm(algorithms, content, length, algorithm);
    free(content);
    free(key);
    return found;
}

bool choice_recall(struct device *device, const struct algorithms *algorithms, const char *what,
    size_t *algorithm) {
    return take_over(device, algorithms, what, algorithm) ||
           load(device, algorithms, what, algorithm);
}

void choice_keep(const struct device *device, const struct algorithms *algorithms, const char *what,
    size_t algorithm) {
    const char *name = algorithms->all[algorithm].name;
    size_t length = 0;
    char *key = algorithms->make_key(device, what, &length);
    if (key)
        program_cache_store(key, length, name, strlen(name));
    free(key);
}
