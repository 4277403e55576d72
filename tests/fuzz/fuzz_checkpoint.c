/* Any file is either refused as STATUS_CHECKPOINT, with a message that names it, or holds weights
 * and a run that are finite, that are all of its data, each byte once, and that give themselves
 * again when they are saved. Nothing outside the file is read, and it is closed.
 *
 * The input is the file, for a network of widths 3, 2, 4. It lies in memory: the functions that
 * read and write files are replaced (ld --wrap), as making them takes longer than to read them. */
#include "fuzz.h"
#include "system/reservation.h"
#include "trainer/checkpoint.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define PATH "/simulated/run.safetensors"

enum { DESCRIPTOR = 1 << 24, LENGTH_BYTES = 8, PARAMETERS = 256, WEIGHTS = 3 * 2 + 2 + 2 * 4 + 4 };

static const struct network_shape shape = {
    .layers = 2, .widths = {3, 2, 4}, .activation = ACTIVATION_SIGMOID};

struct bytes {
    const uint8_t *data;
    size_t size;
};

/* The only file. */
static struct bytes file;
static bool is_open;

int __wrap_file_open_regular(const char *path, uint64_t *bytes, const char **problem, int *reason);
int __wrap_file_open_regular(const char *path, uint64_t *bytes, const char **problem, int *reason) {
    FUZZ_REQUIRE(strcmp(path, PATH) == 0 && !is_open, "%s is opened", path);
    (void)problem;
    (void)reason;
    is_open = true;
    *bytes = file.size;
    return DESCRIPTOR;
}

size_t __wrap_file_read_at(int descriptor, uint64_t offset, void *to, size_t bytes, int *reason);
size_t __wrap_file_read_at(int descriptor, uint64_t offset, void *to, size_t bytes, int *reason) {
    FUZZ_REQUIRE(descriptor == DESCRIPTOR && is_open, "%d is read", descriptor);
    FUZZ_REQUIRE(offset <= file.size && bytes <= file.size - offset,
        "%zu bytes from %llu on of %zu", bytes, (unsigned long long)offset, file.size);
    *reason = 0;
    memcpy(to, file.data + offset, bytes);
    return bytes;
}

int __real_close(int descriptor);
int __wrap_close(int descriptor);
int __wrap_close(int descriptor) {
    if (descriptor != DESCRIPTOR)
        return __real_close(descriptor);
    FUZZ_REQUIRE(is_open, "it is closed twice");
    is_open = false;
    return 0;
}

/* What was written last, and before that: two, as the one may be read while the other is made. */
static uint8_t written[2][1 << 16];
static size_t written_bytes[2];
static int last_written;

enum status __wrap_reservation_write(
    struct reservation *place, const struct file_part *parts, size_t count, struct error *error);
enum status __wrap_reservation_write(
    struct reservation *place, const struct file_part *parts, size_t count, struct error *error) {
    size_t bytes = 0;
    (void)error;
    FUZZ_REQUIRE(place == NULL, "another place is written");
    last_written = !last_written;
    for (size_t p = 0; p < count; p++) {
        FUZZ_REQUIRE(bytes + parts[p].bytes <= sizeof written[0], "%zu bytes", parts[p].bytes);
        if (parts[p].bytes > 0)
            memcpy(written[last_written] + bytes, parts[p].data, parts[p].bytes);
        bytes += parts[p].bytes;
    }
    written_bytes[last_written] = bytes;
    return STATUS_OK;
}

/* --- Loading --- */

/* What a file has. */
struct content {
    float parameters[PARAMETERS];
    struct training_position position;
    struct checkpoint_setting settings[2];
    size_t settings_count;
    bool has_run;
};

static void require_reason(enum status status, const struct error *error) {
    FUZZ_REQUIRE(status == STATUS_OK || status == STATUS_CHECKPOINT, "status %d", (int)status);
    FUZZ_REQUIRE(status == STATUS_OK || strstr(error->message, PATH), "does not name the file: %s",
        error->message);
}

/* Some of them. */
static void read_settings(const struct checkpoint *checkpoint, struct content *content) {
    static const char *const names[] = {"--device", "--layers"};
    content->settings_count = 0;
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        struct checkpoint_setting *setting = &content->settings[content->settings_count];
        const char *value = checkpoint_setting(checkpoint, names[n]);
        if (!value || strlen(value) >= sizeof setting->value)
            continue;
        snprintf(setting->name, sizeof setting->name, "%s", names[n]);
        memcpy(setting->value, value, strlen(value) + 1);
        content->settings_count++;
    }
}

static void check_count(const struct checkpoint *checkpoint, const char *name, size_t count) {
    const char *text = checkpoint_setting(checkpoint, name);
    FUZZ_REQUIRE(text && strtoull(text, NULL, 10) == count, "%s is %zu", name, count);
}

static void check_position(
    const struct checkpoint *checkpoint, const struct training_position *position) {
    check_count(checkpoint, "trainer.epochs", position->epochs_done);
    check_count(checkpoint, "trainer.batches", position->batches_done);
    check_count(checkpoint, "trainer.samples", position->samples_done);
    FUZZ_REQUIRE(isfinite(position->seconds) && position->seconds >= 0, "%g s", position->seconds);
    for (size_t e = 0; e < position->epochs_done; e++) {
        const struct training_epoch *epoch = &position->epochs[e];
        FUZZ_REQUIRE(isfinite(epoch->seconds) && isfinite(epoch->score.loss) &&
                         isfinite(epoch->score.accuracy),
            "epoch %zu is not finite", e);
    }
    for (size_t s = 0; s < 2 * position->samples_done; s++)
        FUZZ_REQUIRE(isfinite(position->scores[s]), "score %zu is not finite", s);
}

/* A sum over all words, in any order. */
static uint64_t sum_words(const void *words, size_t bytes) {
    uint64_t sum = 0;
    for (size_t i = 0; i + sizeof(uint32_t) <= bytes; i += sizeof(uint32_t)) {
        uint32_t word;
        memcpy(&word, (const uint8_t *)words + i, sizeof word);
        sum += (word ^ word >> 15) * 0x9E3779B97F4A7C15u;
    }
    return sum;
}

/* All of the file's data is in `content`; between the parameters there are zeros, which add 0. */
static void check_complete(const struct content *content) {
    const size_t epochs_bytes = content->position.epochs_done * sizeof(struct training_epoch);
    const size_t scores_bytes = 2 * content->position.samples_done * sizeof(float);
    uint64_t length;
    memcpy(&length, file.data, sizeof length);
    const uint8_t *data = file.data + LENGTH_BYTES + length;
    const size_t bytes = file.size - LENGTH_BYTES - length;
    FUZZ_REQUIRE(
        bytes == WEIGHTS * sizeof(float) + epochs_bytes + scores_bytes, "%zu bytes", bytes);
    FUZZ_REQUIRE(
        sum_words(data, bytes) == sum_words(content->parameters, sizeof content->parameters) +
                                      sum_words(content->position.epochs, epochs_bytes) +
                                      sum_words(content->position.scores, scores_bytes),
        "other data");
}

/* Fills `content` from the open file; returns whether it is all sound. */
static bool read_content(struct checkpoint *checkpoint, struct content *content) {
    struct error error;
    const bool claims_run = checkpoint_setting(checkpoint, "trainer.epochs") != NULL;
    const enum status loaded = checkpoint_load(checkpoint, &shape, content->parameters, &error);
    require_reason(loaded, &error);
    const enum status positioned =
        checkpoint_load_position(checkpoint, &shape, &content->position, &error);
    require_reason(positioned, &error);
    FUZZ_REQUIRE(claims_run || positioned != STATUS_OK, "a run without epochs");
    content->has_run = positioned == STATUS_OK;
    if (content->has_run)
        check_position(checkpoint, &content->position);
    for (size_t p = 0; p < PARAMETERS && loaded == STATUS_OK; p++)
        FUZZ_REQUIRE(isfinite(content->parameters[p]), "parameter %zu is not finite", p);
    read_settings(checkpoint, content);
    return loaded == STATUS_OK && content->has_run == claims_run;
}

static bool load(struct bytes bytes, struct content *content) {
    struct checkpoint *checkpoint;
    struct error error;
    file = bytes;
    *content = (struct content){0};
    const enum status status = checkpoint_open(PATH, &checkpoint, &error);
    require_reason(status, &error);
    FUZZ_REQUIRE((status == STATUS_OK) == (checkpoint != NULL), "a handle with a failure, or none");
    const bool sound = checkpoint && read_content(checkpoint, content);
    checkpoint_close(checkpoint);
    FUZZ_REQUIRE(!is_open, "it is left open");
    if (sound)
        check_complete(content);
    return sound;
}

/* --- Saving what was loaded --- */

static struct bytes save(const struct content *content) {
    struct error error;
    const struct checkpoint_run run = {
        content->settings, content->settings_count, &content->position};
    const enum status status =
        checkpoint_save(NULL, &shape, content->parameters, content->has_run ? &run : NULL, &error);
    FUZZ_REQUIRE(status == STATUS_OK, "not saved: %s", error.message);
    return (struct bytes){written[last_written], written_bytes[last_written]};
}

static void check_same(const struct content *one, const struct content *other) {
    const struct training_position *here = &one->position, *there = &other->position;
    FUZZ_REQUIRE(memcmp(one->parameters, other->parameters, sizeof one->parameters) == 0,
        "other parameters");
    FUZZ_REQUIRE(one->has_run == other->has_run, "%s run", one->has_run ? "no" : "a");
    FUZZ_REQUIRE(here->seconds == there->seconds, "other seconds");
    FUZZ_REQUIRE(here->epochs_done == there->epochs_done &&
                     here->batches_done == there->batches_done &&
                     here->samples_done == there->samples_done,
        "another position");
    for (size_t s = 0; s < one->settings_count && one->has_run; s++)
        FUZZ_REQUIRE(other->settings_count == one->settings_count &&
                         strcmp(one->settings[s].value, other->settings[s].value) == 0,
            "another %s", one->settings[s].name);
}

static void check_saved(const struct content *content) {
    static struct content again;
    const struct bytes first = save(content);
    FUZZ_REQUIRE(load(first, &again), "what was saved is refused");
    check_same(content, &again);
    const struct bytes second = save(&again);
    FUZZ_REQUIRE(first.size == second.size && memcmp(first.data, second.data, first.size) == 0,
        "saved differently");
    training_position_free(&again.position);
}

void fuzz_try(const uint8_t *data, size_t size) {
    static struct content content;
    if (load((struct bytes){data, size}, &content))
        check_saved(&content);
    training_position_free(&content.position);
}
