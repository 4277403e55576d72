/* What a device implements. To add one: write a file (or folder) with a `struct device_type`, and
 * name it in list.c. Choosing one (find.c), the checks of operations (operation.c), their recording
 * (recording.c) and the self-check (check.c) are done once for all. */
#ifndef DEVICE_DEVICE_TYPE_H
#define DEVICE_DEVICE_TYPE_H

#include "device/operation.h"

/* The first member of each device's own struct, which begins as zeros. */
struct device {
    const struct device_type *type;
    struct device_info info;
    char *earlier_choices;           /* those of an earlier run (choices.h); NULL: none */
    struct operation_list *recorded; /* where operations go while they are recorded (recording.c) */
};

/* The first member of each device's own buffers. */
struct buffer {
    struct device *device;
    size_t elements;
};

/* Every function behaves as its namesake in trainer/device.h says; views have been checked. */
struct device_type {
    const char *kind;
    bool automatic, gpu; /* "auto" may choose it, and so may "gpu" */
    /* The names for what is chosen in device_options, each list with a NULL at its end; NULL: there
     * is no choice, and the precision is fp32. */
    const char *const *gemms, *const *precisions, *const *submissions;

    void (*list)(device_visitor *visit, void *context);
    /* As device_info.library, but for what only hardware or its driver could tell: neither is
     * asked. NULL: it has no library. */
    enum status (*library)(char *text, size_t size, struct error *error);
    /* Whether there is what `open` would take, as far as can be told without opening it;
     * STATUS_DEVICE if not, and *shortly why in a few words. NULL: it always is. */
    enum status (*find)(
        const char *rest, bool automatic, const char **shortly, struct error *error);
    /* `rest` is what follows "kind:" in the spec, NULL when nothing does. The device fills all of
     * struct device but `type`. */
    enum status (*open)(const char *rest, const struct device_options *options,
        struct device **device, struct error *error);
    void (*close)(struct device *device);
    /* device_environment: of its library; and of its drivers, which may be asked for it. NULL: it
     * needs none. */
    const char *(*environment)(const char **value);
    const char *(*driver_environment)(const char **value);
    /* Writes what was chosen to text[size], cut to fit: lines as choices.h has them. Gives the
     * length of all of them, as snprintf does. NULL: it has no choice. */
    size_t (*choices)(const struct device *device, char *text, size_t size);

    /* Fills all of struct buffer but its two members. */
    enum status (*allocate)(
        struct device *device, size_t elements, struct buffer **buffer, struct error *error);
    void (*free_buffer)(struct buffer *buffer);
    struct device_memory (*memory)(const struct device *device); /* NULL: it can't know */
    enum status (*download)(
        struct device *device, struct view source, void *host, struct error *error);
    enum status (*synchronise)(struct device *device, struct error *error);

    /* Enqueues an operation, which has been checked. */
    enum status (*enqueue)(
        struct device *device, const struct operation *operation, struct error *error);

    /* All four, or none (0 and NULL). Makes of `count` operations, `longest` at most, what `run`
     * enqueues as often as it is called. It stays NULL, and that is no error, where they are best
     * enqueued one by one. Ended by free_recording. None of them sends. */
    size_t longest;
    enum status (*compile)(struct device *device, const struct operation *operations, size_t count,
        struct recording **recording, struct error *error);
    enum status (*run)(struct device *device, struct recording *recording, struct error *error);
    void (*free_recording)(struct device *device, struct recording *recording);
};

/* A kind of device that this build does not have. */
struct device_lacking {
    const char *kind, *reason;
};

/* Writes "cpu, reference, ..." to `text`: all kinds that this build has but `except`. Whether they
 * are here is not asked: who wants another device waits for no driver of theirs. (find.c) */
const char *device_list_others(const char *except, char *text, size_t size);

/* The list of devices, best first; each ends with a NULL kind or pointer. (list.c) */
extern const struct device_type *const device_types[];
extern const struct device_lacking device_types_lacking[];

#endif
