#include "training/budget.h"

#include "trainer/host.h"
#include "training/plan.h"

struct budget_row budget_scores(size_t samples) {
    return (struct budget_row){samples * 2, 0, sizeof(float)};
}

struct budget_row budget_outputs(size_t images, size_t classes) {
    return (struct budget_row){images * classes, 0, sizeof(float)};
}

struct budget_row budget_rates(const struct training_plan *plan, size_t batches) {
    return (struct budget_row){
        batches * optimizer_rates[optimizer_of(&plan->optimizer)], 0, sizeof(float)};
}

struct budget_row budget_epochs(const struct training_plan *plan) {
    return (struct budget_row){plan->epochs, 0, sizeof(struct training_epoch)};
}

struct budget_row budget_validations(const struct training_plan *plan) {
    const size_t epochs = plan->validation > 0 ? plan->epochs : 0;
    return (struct budget_row){epochs, 0, sizeof(struct training_validation)};
}

struct budget_row budget_best(const struct training_plan *plan, const struct network_shape *shape) {
    return (struct budget_row){plan->keep_best ? network_length(shape) : 0, 0, sizeof(float)};
}

/* --- What there is --- */

/* Whether the device's buffers are in host memory. */
static bool shares_host(const struct device *device) {
    return device_memory(device).host_limit != NULL;
}

static size_t parameters_bytes(const struct network_shape *shape) {
    return network_length(shape) * sizeof(float);
}

/* Bytes that a run takes on the host before its device is opened: the images and the first
 * weights. */
static size_t first_bytes(const struct network_shape *shape, const struct dataset *dataset) {
    return dataset_bytes(dataset) + parameters_bytes(shape);
}

/* The same bytes where they have not been taken yet, because the data set was only planned; else
 * 0. */
static size_t absent_bytes(const struct network_shape *shape, const struct dataset *dataset) {
    return dataset->train.pixels ? 0 : first_bytes(shape, dataset);
}

/* Bytes that the epochs take on the host besides their batches: two positions, the one they have
 * reached and the one at which they started, and the weights, which are kept while a warm-up
 * changes them, and later while a checkpoint is written. */
static size_t own_bytes(
    const struct network_shape *shape, const struct training_plan *plan, size_t samples) {
    const struct budget_row position[] = {budget_epochs(plan), budget_scores(samples),
        budget_validations(plan), budget_best(plan, shape)};
    const size_t compared = plan->communicator ? parameters_bytes(shape) : 0;
    return 2 * budget_bytes(position, 4, 0) + parameters_bytes(shape) + compared;
}

size_t budget_beside(const struct training_plan *plan, const struct device *device,
    const struct network_shape *shape, size_t count) {
    return shares_host(device) ? own_bytes(shape, plan, plan_samples(plan, count)) : 0;
}

/* --- The table --- */

/* Whose memory is taken, and in which phases. The phases follow each other. */
enum side { DEVICE, HOST, SIDES };
enum { EPOCHS = 1, EVALUATION = 2, CHECK = 4, PHASES = 3 };

struct line {
    enum side side;
    unsigned phases;
    size_t bytes;
};

/* The bytes that a phase takes on each side. */
struct height {
    size_t bytes[SIDES];
};

static void add_up(const struct line *lines, size_t count, struct height heights[PHASES]) {
    for (size_t p = 0; p < PHASES; p++) {
        heights[p] = (struct height){{0}};
        for (size_t l = 0; l < count; l++)
            if (lines[l].phases >> p & 1)
                heights[p].bytes[lines[l].side] += lines[l].bytes;
    }
}

/* The most that is taken at once. Where both sides share their memory, that is the phase with the
 * largest sum of both; else it is the largest of each side by itself. */
static struct height find_highest(const struct height heights[PHASES], bool shared) {
    struct height highest = heights[0];
    for (size_t p = 1; p < PHASES; p++) {
        const size_t *bytes = heights[p].bytes;
        if (shared && bytes[DEVICE] + bytes[HOST] > highest.bytes[DEVICE] + highest.bytes[HOST])
            highest = heights[p];
        for (size_t s = 0; s < SIDES && !shared; s++)
            highest.bytes[s] = bytes[s] > highest.bytes[s] ? bytes[s] : highest.bytes[s];
    }
    return highest;
}

/* The bytes that images which are held back take. */
struct held {
    size_t device, host;
};

static struct held budget_held(struct device *device, const struct dataset *dataset,
    const struct training_plan *plan, size_t network) {
    const struct loader_options options = plan_test_loader(plan, &dataset->validation);
    const struct budget_row row = budget_scores(dataset->validation.count);
    if (dataset->validation.count == 0)
        return (struct held){0, 0};
    const size_t scores = budget_bytes(&row, 1, 0);
    const bool streamed = loader_is_streamed(device, &options, network);
    return (struct held){loader_device_bytes(&options, streamed) + scores,
        loader_host_bytes(&options, streamed) + scores};
}

struct training_memory training_memory(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan) {
    const size_t trained = dataset->train.count, tested = dataset->test.count;
    const size_t samples = plan_samples(plan, trained);
    const size_t network = network_bytes(shape, training_share(plan));
    const size_t check = network_check_bytes(shape, training_share(plan));
    const struct budget_row scores = budget_scores(samples + 1),
                            test_scores = budget_scores(tested);
    const struct budget_row rates = budget_rates(plan, training_batches(plan, trained));
    const struct budget_row outputs = budget_outputs(tested, shape->widths[shape->layers]);
    const bool shared = shares_host(device);
    const struct loader_options test = plan_test_loader(plan, &dataset->test);
    const struct loader_options epoch = plan_epoch_loader(
        plan, shape, &dataset->train, budget_beside(plan, device, shape, trained));
    const bool test_streamed = loader_is_streamed(device, &test, network);
    const struct held held = budget_held(device, dataset, plan, network);
    const bool streamed = loader_is_streamed(
        device, &epoch, network + held.device + (shared ? absent_bytes(shape, dataset) : 0));
    /* Host memory that is freed may stay with the process, so on the host it counts to the end. */
    const struct line lines[] = {
        {HOST, CHECK | EPOCHS | EVALUATION, first_bytes(shape, dataset)},
        {DEVICE, CHECK, check},
        {HOST, CHECK, check},
        {DEVICE, EPOCHS | EVALUATION, network},
        {DEVICE, EPOCHS, loader_device_bytes(&epoch, streamed)},
        {HOST, EPOCHS | EVALUATION, loader_host_bytes(&epoch, streamed)},
        {DEVICE, EPOCHS, budget_bytes(&scores, 1, 0)},
        {DEVICE, EPOCHS, budget_bytes(&rates, 1, 0)},
        {DEVICE, EPOCHS, held.device},
        {HOST, EPOCHS | EVALUATION, held.host},
        {HOST, EPOCHS | EVALUATION, own_bytes(shape, plan, samples)},
        {DEVICE, EVALUATION, loader_device_bytes(&test, test_streamed)},
        {DEVICE, EVALUATION, budget_bytes(&test_scores, 1, 0) + budget_bytes(&outputs, 1, 0)},
        {HOST, EVALUATION, budget_bytes(&test_scores, 1, 0) + budget_bytes(&outputs, 1, 0)},
    };
    struct height heights[PHASES];
    add_up(lines, sizeof lines / sizeof *lines, heights);
    const struct height highest = find_highest(heights, shared);
    return (struct training_memory){highest.bytes[HOST], highest.bytes[DEVICE], streamed};
}

/* --- Whether it is there --- */

enum status training_check_host(const struct network_shape *shape,
    const struct image_format *format, size_t images, int processes, struct error *error) {
    const char *limit;
    const unsigned long long left = host_memory_left(&limit);
    const size_t bytes =
        (images * image_record(format) + parameters_bytes(shape)) * (size_t)processes;
    return bytes <= left
               ? STATUS_OK
               : error_set(error, STATUS_DEVICE,
                     "out of memory: %zu bytes for %zu images and the %zu parameters of the "
                     "network: the host has %llu free, by %s; use narrower --layers, or fewer "
                     "--samples",
                     bytes, images, network_parameters_length(shape), left, limit);
}

enum status budget_check(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan, struct error *error) {
    /* For each sample at most: two scores, an index of the order (and one of the pass), and the
     * rates of a step. */
    const size_t scored = dataset->train.count + plan->batch_size;
    const size_t scores = (3 + optimizer_rates[shape->optimizer]) * scored * sizeof(float),
                 absent = absent_bytes(shape, dataset);
    if (shares_host(device))
        return network_check_budget(device, shape, training_share(plan), absent,
            scores + own_bytes(shape, plan, scored), error);
    const char *limit;
    const unsigned long long left = host_memory_left(&limit);
    const size_t more =
        training_memory(device, shape, dataset, plan).host - first_bytes(shape, dataset) + absent;
    return more <= left
               ? network_check_budget(device, shape, training_share(plan), 0, scores, error)
               : error_set(error, STATUS_DEVICE,
                     "out of memory: this training needs %zu bytes more of the host, "
                     "which has %llu free, by %s; lower --batch-size or the widths of "
                     "--layers",
                     more, left, limit);
}
