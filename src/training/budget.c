#include "training/budget.h"

#include "trainer/host.h"
#include "training/plan.h"

/* --- Memory --- */

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Whether what the device holds is host memory. */
static bool shares_host(const struct device *device) {
    return device_memory(device).host_limit != NULL;
}

/* What a run has before its device is opened. */
static size_t first_bytes(const struct network_shape *shape, size_t images) {
    return images * CIFAR10_RECORD + network_parameters_length(shape) * sizeof(float);
}

/* The same, as long as it is not there: of a data set that was only planned. */
static size_t absent_bytes(const struct network_shape *shape, const struct dataset *dataset) {
    return dataset->train.pixels ? 0
                                 : first_bytes(shape, dataset->train.count + dataset->test.count);
}

/* What the training itself has on the host, at its height: its position, and that of its start; a
 * checkpoint has the weights once more. */
static size_t own_bytes(
    const struct network_shape *shape, const struct training_plan *plan, size_t samples) {
    const size_t position =
        plan->epochs * sizeof(struct training_epoch) + samples * 2 * sizeof(float);
    return 2 * position + network_parameters_length(shape) * sizeof(float);
}

size_t budget_beside(const struct training_plan *plan, const struct device *device,
    const struct network_shape *shape, size_t count) {
    return shares_host(device) ? own_bytes(shape, plan, plan_samples(plan, count)) : 0;
}

/* --- Foretelling and checking --- */

struct training_memory training_memory(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan) {
    const size_t batch = plan->batch_size, score = 2 * sizeof(float);
    const size_t samples = plan_samples(plan, dataset->train.count);
    const struct loader_options test = plan_test_loader(plan, &dataset->test);
    const struct loader_options epoch = plan_epoch_loader(
        plan, &dataset->train, budget_beside(plan, device, shape, dataset->train.count));
    const size_t network = network_bytes(shape, batch), check = network_check_bytes(shape, batch);
    const size_t first = first_bytes(shape, dataset->train.count + dataset->test.count);
    const size_t own = own_bytes(shape, plan, samples);
    const bool shared = shares_host(device);
    const size_t absent = shared ? absent_bytes(shape, dataset) : 0;
    struct training_memory memory = {
        .streamed = loader_is_streamed(device, &epoch, network + absent)};
    const bool test_streamed = loader_is_streamed(device, &test, network);
    const size_t training =
        network + larger(loader_device_bytes(&epoch, memory.streamed) + samples * score +
                             training_batches(plan, dataset->train.count) * sizeof(float),
                      loader_device_bytes(&test, test_streamed) + dataset->test.count * score);
    const size_t host = own + loader_host_bytes(&epoch, memory.streamed);
    /* Before it, the check of a layer has its matrices on both sides. */
    const bool checking = shared && 2 * check > training + host;
    memory.device = shared ? (checking ? check : training) : larger(training, check);
    memory.host = first + (shared ? (checking ? check : host) : larger(host, check));
    return memory;
}

enum status training_check_host(
    const struct network_shape *shape, size_t images, struct error *error) {
    const char *limit;
    const unsigned long long left = host_memory_left(&limit);
    const size_t bytes = first_bytes(shape, images);
    return bytes <= left
               ? STATUS_OK
               : error_set(error, STATUS_DEVICE,
                     "out of memory: %zu bytes for %zu images and the %zu parameters of the "
                     "network: the host has %llu free, by %s; use narrower --layers, or fewer "
                     "--samples",
                     bytes, images, network_parameters_length(shape), left, limit);
}

enum status training_check_room(struct device *device, const struct network_shape *shape,
    const struct dataset *dataset, const struct training_plan *plan, struct error *error) {
    const size_t scored = dataset->train.count + plan->batch_size; /* at most, with their order */
    const size_t scores = 4 * scored * sizeof(float), absent = absent_bytes(shape, dataset);
    const size_t first = first_bytes(shape, dataset->train.count + dataset->test.count);
    if (shares_host(device))
        return network_check_room(device, shape, plan->batch_size, absent,
            scores + own_bytes(shape, plan, scored), error);
    const char *limit;
    const unsigned long long left = host_memory_left(&limit);
    const size_t more = training_memory(device, shape, dataset, plan).host - first + absent;
    return more <= left ? network_check_room(device, shape, plan->batch_size, 0, scores, error)
                        : error_set(error, STATUS_DEVICE,
                              "out of memory: this training needs %zu bytes more of the host, "
                              "which has %llu free, by %s; lower --batch-size or the widths of "
                              "--layers",
                              more, left, limit);
}
