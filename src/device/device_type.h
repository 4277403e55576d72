/* What a device implements. To add one: write a file (or folder) with a `struct device_type`, and
 * name it in list.c. Choosing one (find.c), the checks of shapes and bounds and the choice between
 * recording and plain calls (device.c), and the self-check (check.c) are done once for all. */
#ifndef DEVICE_DEVICE_TYPE_H
#define DEVICE_DEVICE_TYPE_H

#include "trainer/device.h"

/* The first member of each device's own struct, which begins as zeros. */
struct device {
    const struct device_type *type;
    struct device_info info;
    char *earlier_choices; /* those of an earlier run (choices.h); NULL: none */
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
    void (*release)(struct buffer *buffer);
    struct device_memory (*memory)(const struct device *device); /* NULL: it can't know */
    enum status (*upload)(
        struct device *device, struct view destination, const void *host, struct error *error);
    enum status (*download)(
        struct device *device, struct view source, void *host, struct error *error);
    enum status (*synchronise)(struct device *device, struct error *error);

    /* All four, or none (NULL). Between record_begin and record_end, operations are kept and not
     * done. record_end gives the recording, or NULL with STATUS_OK when these operations can't be
     * recorded; after a failed `enqueue` its result is forgotten. replay enqueues a recording. */
    enum status (*record_begin)(struct device *device, struct error *error);
    enum status (*record_end)(
        struct device *device, struct recording **recording, struct error *error);
    enum status (*replay)(struct device *device, struct recording *recording, struct error *error);
    void (*forget)(struct device *device, struct recording *recording);

    enum status (*dense_forward)(struct device *device, struct view x, struct view weights,
        struct view bias, enum activation activation, struct view y, struct error *error);
    enum status (*dense_backward)(struct device *device, struct view d_y, struct view weights,
        struct view x, enum activation activation, struct view d_x, struct error *error);
    enum status (*dense_update)(struct device *device, struct view x, struct view d_y, float scale,
        struct view weights, struct view bias, struct error *error);
    enum status (*softmax_cross_entropy)(struct device *device, struct view logits,
        struct view labels, float scale, struct view score, struct error *error);
    enum status (*gather_rows)(struct device *device, struct view source, struct view index,
        struct view destination, struct error *error);
    enum status (*upload_pixels)(struct device *device, const uint8_t *host, enum color color,
        struct view destination, struct error *error);
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
