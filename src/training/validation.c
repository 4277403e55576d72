#include "training/validation.h"

#include "system/clock.h"

const char *const training_end_names[] = {[ENDED_NOT] = "",
    [ENDED_EPOCHS] = "epochs",
    [ENDED_TARGET] = "target",
    [ENDED_PATIENCE] = "patience"};

size_t training_best_epoch(const struct training_position *position) {
    size_t best = 0;
    for (size_t e = 1; e < position->validated; e++)
        if (position->validations[e].score.accuracy > position->validations[best].score.accuracy)
            best = e;
    return best;
}

size_t training_target_epoch(
    const struct training_plan *plan, const struct training_position *position) {
    size_t e = 0;
    while (e < position->validated &&
           !(plan->target_accuracy > 0.0 &&
               position->validations[e].score.accuracy >= plan->target_accuracy))
        e++;
    return e;
}

enum status validation_score(
    struct evaluation *validation, struct training_result *result, struct error *error) {
    struct training_position *reached = &result->reached;
    struct training_validation *now = &reached->validations[reached->epochs_done - 1];
    const double start = clock_seconds();
    enum status status = evaluation_score(validation, NULL, &now->score, error);
    if (status == STATUS_OK)
        reached->validated = reached->epochs_done;
    if (status == STATUS_OK && reached->best &&
        training_best_epoch(reached) + 1 == reached->validated)
        status = network_download(validation->network, reached->best, error);
    now->seconds = clock_seconds() - start;
    result->validate += now->seconds;
    return status;
}

enum training_end validation_end(
    const struct training_plan *plan, const struct training_position *position) {
    if (training_target_epoch(plan, position) < position->validated)
        return ENDED_TARGET;
    if (plan->patience > 0 && position->validated > 0 &&
        position->validated - 1 - training_best_epoch(position) >= plan->patience)
        return ENDED_PATIENCE;
    return position->epochs_done == plan->epochs ? ENDED_EPOCHS : ENDED_NOT;
}
