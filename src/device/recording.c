/* Recordings. Here the operations of an epoch are collected in a list, in the same way for every
 * device. Then the device makes of the list what it can run again and again. Where it can't, the
 * operations are enqueued one by one each time. */
#include "device/device_type.h"

#include <stdlib.h>

/* The operations that have been recorded so far. */
struct operation_list {
    struct operation *operations;
    size_t count, capacity;
    bool unrecordable; /* it is too long, or has an operation that can't be done again */
};

static void mark_unrecordable(struct operation_list *list) {
    free(list->operations);
    *list = (struct operation_list){.unrecordable = true};
}

static bool grow(struct operation_list *list, size_t longest) {
    if (list->count < list->capacity)
        return true;
    const size_t capacity = list->capacity > 0 ? list->capacity * 2 : 256;
    struct operation *grown =
        list->count < longest ? realloc(list->operations, capacity * sizeof *grown) : NULL;
    if (!grown)
        return false;
    list->operations = grown;
    list->capacity = capacity;
    return true;
}

/* Appends an operation to the list. One that sends host memory makes the list unrecordable, because
 * that memory may have moved or been freed by the next time. */
static void append(struct operation_list *list, const struct operation *operation, size_t longest) {
    if (list->unrecordable)
        return;
    if (operation_types[operation->kind].sends || !grow(list, longest))
        mark_unrecordable(list);
    else
        list->operations[list->count++] = *operation;
}

enum status operation_enqueue(
    struct device *device, const struct operation *operation, struct error *error) {
    const enum status status = operation_check(device, operation, error);
    if (status != STATUS_OK || !device->recorded)
        return status == STATUS_OK ? device->type->enqueue(device, operation, error) : status;
    append(device->recorded, operation, device->type->longest);
    return STATUS_OK;
}

enum status device_record(struct device *device, device_enqueue *enqueue, void *context,
    struct recording **recording, struct error *error) {
    struct operation_list list = {0};
    *recording = NULL;
    if (!device->type->compile)
        return STATUS_OK;
    if (device->type->submissions)
        device->info.submission = "stream"; /* unless the device makes a graph */
    device->recorded = &list;
    enum status status = enqueue(context, error);
    device->recorded = NULL;
    if (status == STATUS_OK && list.count > 0)
        status = device->type->compile(device, list.operations, list.count, recording, error);
    free(list.operations);
    return status;
}

size_t device_recordable(const struct device *device) {
    return device->type->compile ? device->type->longest : 0;
}

void recording_free(struct device *device, struct recording *recording) {
    if (recording)
        device->type->free_recording(device, recording);
}

enum status device_run(struct device *device, struct recording *recording, device_enqueue *enqueue,
    void *context, struct error *error) {
    return recording ? device->type->run(device, recording, error) : enqueue(context, error);
}
