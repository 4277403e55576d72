#include "program/run.h"

#include "program/interrupt.h"
#include "program/message.h"
#include "program/quote.h"
#include "program/version.h"
#include "system/clock.h"
#include "system/file.h"
#include "system/locale.h"
#include "system/reservation.h"
#include "system/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Settings of a checkpoint besides the options: the fingerprint of the data set, the commit of the
 * program, and "true" once the run has ended. */
static const char data_name[] = "trainer.data", commit_name[] = "trainer.commit",
                  ended_name[] = "trainer.ended";

/* Undoes what a library may have done to the process's umask. It is called before a file is
 * created. */
static void restore_mask(const struct run *run) {
    umask(run->mask);
}

/* --- Beginning --- */

/* Reads the position at which a run continues from its checkpoint. */
static enum status first_position(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const struct training_plan *plan = &options->plan;
    enum status status =
        checkpoint_load_position(run->resumed, &options->shape, &run->start, error);
    if (status != STATUS_OK)
        return status;
    const size_t begun = run->start.epochs_done + (run->start.batches_done > 0);
    if (begun > plan->epochs)
        return error_set(error, STATUS_USAGE, "--epochs %zu: the run in %s has come to epoch %zu",
            plan->epochs, options->resume, begun);
    struct error problem;
    status = training_check_position(plan, options_training_images(options), &run->start, &problem);
    return status == STATUS_OK ? status
                               : error_set(error, STATUS_CHECKPOINT, "%s: offset 8: %.1000s",
                                     options->resume, problem.message);
}

/* Warns where weights were trained for another net than the run's: what they say of themselves. */
static void warn_of_meaning(const struct options *options, const struct checkpoint *file) {
    const char *activation = checkpoint_setting(file, "trainer.activation");
    const char *own = activation_names[options->shape.activation];
    if (options->quiet || !activation)
        return;
    if (options->shape.layers > 1 && strcmp(activation, own) != 0)
        message_print("warning: --init %s: its hidden layers apply %.40s, and this run's %s",
            options->init, activation, own);
    const bool scaled = checkpoint_setting(file, "trainer.means") != NULL;
    if (scaled != options->plan.normalize)
        message_print("warning: --init %s: its inputs were %s, and this run has %s--normalize",
            options->init, scaled ? "scaled" : "not scaled", scaled ? "no " : "");
}

/* Fills the first parameters, and the position that they belong to: from a checkpoint, from a file
 * of weights, or from the seed. */
static enum status first_parameters(struct run *run, struct error *error) {
    const struct options *options = run->options;
    if (!options->init && !run->resumed) {
        if (!options->dry_run)
            network_first_parameters(&options->shape, options->plan.seed, run->parameters);
        return STATUS_OK;
    }
    struct checkpoint *file = run->resumed;
    enum status status =
        file ? STATUS_OK : checkpoint_open_together(run->communicator, options->init, &file, error);
    if (status == STATUS_OK)
        status = checkpoint_load(file, &options->shape, run->parameters, error);
    if (status == STATUS_OK && !run->resumed)
        warn_of_meaning(options, file);
    if (status == STATUS_OK && run->resumed)
        status = checkpoint_load_states(file, &options->shape, run->parameters, error);
    if (!run->resumed)
        checkpoint_close(file);
    return status == STATUS_OK && run->resumed ? first_position(run, error) : status;
}

/* Whether there is a regular file at `path` that has something to lose. Anything but a regular file
 * is refused elsewhere. */
static bool has_content(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
}

/* STATUS_USAGE when writing the file of `option` to `path` would replace what it must not. It may
 * replace only files that this program wrote. A run that has not ended is not replaced, unless it
 * is the one that is continued. With `only_checkpoints`, a file of weights alone is not replaced
 * either. */
static enum status check_replaced(const struct options *options, const char *option,
    const char *path, bool only_checkpoints, struct error *error) {
    struct checkpoint *other;
    quoted_text quoted;
    if (!has_content(path) || (options->resume && file_is_same(options->resume, path)))
        return STATUS_OK;
    struct error problem;
    enum status status = checkpoint_open(path, &other, &problem);
    if (status == STATUS_CHECKPOINT)
        return error_set(error, STATUS_USAGE, "%s: name another file; this would replace %.1000s",
            option, problem.message);
    if (status != STATUS_OK)
        return error_set(error, status, "%s", problem.message);
    const char *done = checkpoint_setting(other, CHECKPOINT_EPOCHS);
    if (!checkpoint_is_ours(other))
        status = error_set(error, STATUS_USAGE,
            "%s %s: it has tensors of another program: remove it, or name another", option, path);
    else if (done && !checkpoint_setting(other, ended_name))
        status = error_set(error, STATUS_USAGE,
            "%s %s: it has a run that has not ended: go on with --resume %s, or remove it", option,
            path, quote(path, quoted));
    else if (!done && only_checkpoints)
        status = error_set(error, STATUS_USAGE,
            "%s %s: it has weights, but no run: remove it, or name another", option, path);
    checkpoint_close(other);
    return status;
}

/* Reserves the place of a file. A signal that ends the program at once removes its temporary
 * files. */
static enum status reserve(const struct options *options, const char *path, bool for_run,
    struct reservation **place, struct error *error) {
    if (!path)
        return STATUS_OK;
    const struct training_plan *plan = &options->plan;
    const size_t batches = training_batches(plan, options_training_images(options));
    const size_t samples = batches * plan->batch_size;
    const enum status status =
        checkpoint_reserve(path, &options->shape, for_run ? plan : NULL, samples, place, error);
    if (status == STATUS_OK) {
        interrupt_remove(reservation_partial(*place));
        interrupt_remove(reservation_lock(*place));
    }
    return status;
}

static void close_place(struct reservation *place) {
    if (place) {
        interrupt_leave(reservation_partial(place));
        interrupt_leave(reservation_lock(place));
    }
    checkpoint_close_place(place);
}

/* STATUS_FAILED when another process has replaced the checkpoint since it was opened: what it wrote
 * would be lost. */
static enum status check_resumed(const struct run *run, struct error *error) {
    return !run->resumed || communicator_rank(run->communicator) > 0 ||
                   checkpoint_is_current(run->resumed)
               ? STATUS_OK
               : error_set(error, STATUS_FAILED,
                     "%s: another process has just replaced it; try again", run->options->resume);
}

enum status run_begin_files(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const char *save = options->save, *checkpoint = options->checkpoint;
    const double start = clock_seconds();
    restore_mask(run);
    /* The places are reserved first, so that what is found afterwards can't change. */
    enum status status = reserve(options, save, false, &run->weights_place, error);
    if (status == STATUS_OK)
        status = reserve(options, checkpoint, true, &run->checkpoint_place, error);
    if (status == STATUS_OK && save)
        status = check_replaced(options, "--save", save, false, error);
    if (status == STATUS_OK && checkpoint)
        status = check_replaced(options, "--checkpoint", checkpoint, true, error);
    if (status == STATUS_OK)
        status = check_resumed(run, error);
    const size_t bytes = network_length(&options->shape) * sizeof *run->parameters;
    run->parameters = malloc(bytes);
    if (status == STATUS_OK && !run->parameters)
        status = error_memory(error, "the parameters", bytes);
    run->record.setup += clock_seconds() - start;
    return status;
}

enum status run_first_parameters(struct run *run, struct error *error) {
    const struct options *options = run->options;
    const double start = clock_seconds();
    enum status status = first_parameters(run, error);
    if (status == STATUS_OK) /* last: it makes the file */
        status = log_open(options->dry_run ? NULL : options->log, &run->log, error);
    run->record.setup += clock_seconds() - start;
    return status;
}

void run_close_files(struct run *run) {
    close_place(run->weights_place);
    close_place(run->checkpoint_place);
    run->weights_place = run->checkpoint_place = NULL;
}

/* --- Keeping --- */

static void keep_setting(struct run *run, const char *name, const char *value) {
    struct checkpoint_setting *setting = &run->settings[run->settings_count++];
    snprintf(setting->name, sizeof setting->name, "%s", name);
    snprintf(setting->value, sizeof setting->value, "%s", value);
}

/* Where the options left something open, the settings keep what was chosen. */
enum status run_describe(struct run *run, struct error *error) {
    const double start = clock_seconds();
    const struct device_info *device = device_info(run->device);
    const struct dataset *dataset = run->dataset;
    struct options options = *run->options;
    char *folder = dataset->path[0] ? realpath(dataset->path, NULL) : NULL;
    if (options_choose_device(&options))
        snprintf(options.device, sizeof options.device, "%s", device->kind);
    options.threads = device->threads;
    options.samples = dataset->train.count + dataset->validation.count;
    options.data = folder ? folder : dataset->path[0] ? dataset->path : "synthetic";
    run->settings_count = options_store(&options, run->settings);
    free(folder);
    keep_setting(run, data_name, run->record.fingerprint);
    keep_setting(run, commit_name, version_commit);
    run->record.checkpoint += clock_seconds() - start;
    const char *before = run->resumed ? checkpoint_setting(run->resumed, data_name) : NULL;
    return !before || strcmp(before, run->record.fingerprint) == 0
               ? STATUS_OK
               : error_set(error, STATUS_DATASET,
                     "%s: its run has other images than %s: name their folder with --data",
                     options.resume, dataset->path[0] ? dataset->path : "the synthetic set");
}

/* Adds so many numbers as a setting. */
static void keep_numbers(
    struct checkpoint_setting *setting, const char *name, const double *numbers, size_t count) {
    const locale_t before = locale_begin();
    *setting = (struct checkpoint_setting){0};
    snprintf(setting->name, sizeof setting->name, "%s", name);
    for (size_t n = 0; n < count; n++)
        text_append(setting->value, sizeof setting->value, "%s%.17g", n ? " " : "", numbers[n]);
    locale_end(before);
}

/* What must be known of a net besides its weights, to use it on images elsewhere. It is known once
 * the training has begun. */
static size_t describe_weights(
    const struct run *run, struct checkpoint_setting settings[WEIGHTS_SETTINGS_MAX]) {
    const struct image_scaling *scaling = &run->result.scaling;
    const bool grey = run->options->plan.color == COLOR_GREY;
    size_t count = 0;
    settings[count++] = (struct checkpoint_setting){.name = "trainer.activation"};
    settings[count++] = (struct checkpoint_setting){.name = "trainer.color"};
    snprintf(settings[0].value, sizeof settings[0].value, "%s",
        activation_names[run->options->shape.activation]);
    snprintf(settings[1].value, sizeof settings[1].value, "%s", color_names[!grey]);
    if (scaling->used) {
        const size_t channels = grey ? 1 : IMAGE_SCALED_CHANNELS;
        keep_numbers(&settings[count++], "trainer.means", scaling->means, channels);
        keep_numbers(&settings[count++], "trainer.deviations", scaling->deviations, channels);
    }
    return count;
}

static bool is_saved(const struct run *run, const struct training_position *position) {
    return run->saved && run->saved_epochs == position->epochs_done &&
           run->saved_batches == position->batches_done;
}

/* A function that writes a file: checkpoint_save or checkpoint_save_last. */
typedef enum status writer(struct reservation *place, const struct network_shape *shape,
    const float *parameters, const struct checkpoint_run *run, struct error *error);

static enum status save_checkpoint(struct run *run, writer *write_file, struct error *error) {
    const struct options *options = run->options;
    const struct training_position *position = &run->result.reached;
    if (!options->checkpoint || is_saved(run, position))
        return STATUS_OK;
    const double start = clock_seconds();
    if (!run->weights_described)
        run->settings_count += describe_weights(run, run->settings + run->settings_count);
    run->weights_described = true;
    char *choices = device_choices(run->device);
    const struct checkpoint_run state = {run->settings, run->settings_count, position, choices};
    enum status status = choices ? network_download(run->network, run->parameters, error)
                                 : error_memory(error, "what the device has chosen", 0);
    restore_mask(run); /* for the next temporary file */
    if (status == STATUS_OK)
        status = write_file(run->checkpoint_place, &options->shape, run->parameters, &state, error);
    free(choices);
    if (status == STATUS_OK) {
        run->saved = true;
        run->saved_epochs = position->epochs_done;
        run->saved_batches = position->batches_done;
    }
    run->record.checkpoint += clock_seconds() - start;
    return status;
}

enum status run_save_checkpoint(struct run *run, struct error *error) {
    return save_checkpoint(run, checkpoint_save, error);
}

enum status run_save_last_checkpoint(struct run *run, enum status status, struct error *error) {
    if (status == STATUS_OK && run->options->checkpoint) {
        keep_setting(run, ended_name, "true");
        run->saved = false;
    }
    return save_checkpoint(run, checkpoint_save_last, error);
}

enum status run_save_weights(struct run *run, struct error *error) {
    if (!run->options->save)
        return STATUS_OK;
    const struct training_position *reached = &run->result.reached;
    const bool best = run->options->plan.keep_best && reached->validated > 0;
    const enum status status =
        best ? STATUS_OK : network_download(run->network, run->parameters, error);
    struct checkpoint_setting settings[WEIGHTS_SETTINGS_MAX];
    const struct checkpoint_run about = {
        .settings = settings, .settings_count = describe_weights(run, settings)};
    return status == STATUS_OK ? checkpoint_save_last(run->weights_place, &run->options->shape,
                                     best ? reached->best : run->parameters, &about, error)
                               : status;
}
