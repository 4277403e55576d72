/* What options mean together. */
#include "program/option_checks.h"

#include "program/option_table.h"
#include "system/file.h"

#include <string.h>

/* Checks the options of the optimiser and the schedule. */
static enum status check_optimizer(const struct options *options, struct error *error) {
    const struct optimizer_plan *plan = &options->plan.optimizer,
                                *usual = &option_defaults.plan.optimizer;
    const bool adamw = plan->method == METHOD_ADAMW;
    if (adamw && (plan->momentum > 0.0 || plan->nesterov))
        return error_set(error, STATUS_USAGE,
            "--optimizer adamw has no %s: see --beta1, or take --optimizer sgd",
            plan->momentum > 0.0 ? "--momentum" : "--nesterov");
    if (!adamw && (plan->beta1 != usual->beta1 || plan->beta2 != usual->beta2 ||
                      plan->epsilon != usual->epsilon))
        return error_set(error, STATUS_USAGE,
            "--beta1, --beta2 and --epsilon are adamw's: add --optimizer adamw, or see --momentum");
    if (plan->nesterov && plan->momentum == 0.0)
        return error_set(error, STATUS_USAGE, "--nesterov needs a --momentum of more than 0");
    if (plan->momentum == 1.0 || plan->beta1 == 1.0 || plan->beta2 == 1.0)
        return error_set(error, STATUS_USAGE, "%s 1: it is less than 1",
            plan->momentum == 1.0 ? "--momentum"
            : plan->beta1 == 1.0  ? "--beta1"
                                  : "--beta2");
    if (options->plan.warm_up_epochs > options->plan.epochs)
        return error_set(error, STATUS_USAGE, "--warmup-epochs %zu: there are only %zu --epochs",
            options->plan.warm_up_epochs, options->plan.epochs);
    return STATUS_OK;
}

/* Checks the options of the validation. */
static enum status check_validation(const struct options *options, struct error *error) {
    const struct training_plan *plan = &options->plan;
    const char *needs = plan->target_accuracy > 0.0 ? "target-accuracy"
                        : plan->patience > 0        ? "patience"
                        : plan->keep_best           ? "keep-best"
                                                    : NULL;
    if (plan->validation == 0 && needs)
        return error_set(error, STATUS_USAGE,
            "--%s needs --validation N: images that are held back, by which to judge", needs);
    if (plan->validation >= options_images(options))
        return error_set(error, STATUS_USAGE,
            "--validation %zu leaves none of %zu images to train with", plan->validation,
            options_images(options));
    return STATUS_OK;
}

/* Checks what the network drops, and what its steps are done by. */
static enum status check_step(const struct options *options, struct error *error) {
    const struct network_shape *shape = &options->shape;
    if (shape->dropout == 1.0)
        return error_set(error, STATUS_USAGE, "--dropout 1: it is less than 1");
    if (shape->dropout > 0.0 && shape->layers == 1)
        return error_set(error, STATUS_USAGE, "--dropout needs --layers: there is no hidden one");
    const char *unfused = shape->dropout > 0.0     ? "--dropout"
                          : shape->clip_norm > 0.0 ? "--clip-norm"
                                                   : NULL;
    if (unfused && strcmp(options->step, "fused") == 0)
        return error_set(
            error, STATUS_USAGE, "--step fused has no %s: leave one of them out", unfused);
    return STATUS_OK;
}

enum status options_check(struct options *options, struct error *error) {
    if (options->action == ACTION_PEAK && options->format > FORMAT_JSON)
        return error_set(error, STATUS_USAGE, "--peak: --format is table or json");
    if (options->dry_run && options->format > FORMAT_JSON)
        return error_set(error, STATUS_USAGE, "--dry-run: --format is table or json");
    if (options->action == ACTION_PEAK &&
        (options->dry_run || options->init || options->save || options->checkpoint ||
            options->resume || options->log))
        return error_set(error, STATUS_USAGE,
            "--peak trains nothing: leave out --dry-run, --init, --save, --checkpoint, --resume "
            "and --log");
    if (options->init && options->shape.initial != INITIAL_NORMAL)
        return error_set(error, STATUS_USAGE,
            "--init %s: the first weights are there; leave out --initial", options->init);
    if (options->resume && !options->checkpoint)
        options->checkpoint = options->resume;
    if (!options->checkpoint && options->checkpoint_every != option_defaults.checkpoint_every)
        return error_set(error, STATUS_USAGE, "--checkpoint-every needs a --checkpoint");
    if (options->save &&
        ((options->checkpoint && file_is_same(options->save, options->checkpoint)) ||
            (options->resume && file_is_same(options->save, options->resume))))
        return error_set(error, STATUS_USAGE,
            "--save %s: the checkpoint is there; name another file", options->save);
    if (options->log &&
        ((options->save && file_is_same(options->log, options->save)) ||
            (options->checkpoint && file_is_same(options->log, options->checkpoint))))
        return error_set(error, STATUS_USAGE,
            "--log %s: it is also to have the weights; name another file", options->log);
    if (check_optimizer(options, error) != STATUS_OK || check_step(options, error) != STATUS_OK ||
        check_validation(options, error) != STATUS_OK)
        return STATUS_USAGE;
    options->shape.optimizer = optimizer_of(&options->plan.optimizer);
    options->shape.widths[0] = options->plan.color == COLOR_GREY ? CIFAR10_PLANE : CIFAR10_PIXELS;
    const size_t samples = options_training_images(options);
    if (training_batches(&options->plan, samples) == 0)
        return error_set(error, STATUS_USAGE,
            "--tail drop: batches of %zu leave none of %zu samples; lower --batch-size",
            options->plan.batch_size, samples);
    return STATUS_OK;
}
