/* What each kind of device implements. To add a kind, write a file (or folder) with a `struct
 * device_type`, and name it in list.c. All kinds share the rest: choosing a device (find.c), the
 * checks of operations (operation.c), recording them (recording.c), and the self-check
 * (check.c). */
#ifndef DEVICE_DEVICE_TYPE_H
#define DEVICE_DEVICE_TYPE_H

#include "device/operation.h"

/* The first member of each device's own struct, which begins as zeros. */
struct device {
    const struct device_type *type;
    struct device_info info;
    struct communicator *communicator; /* of device_options; NULL: alone */
    char *earlier_choices;             /* the choices of an earlier run (choices.h); NULL: none */
    /* The list to which operations go while device_record is at work; else NULL (recording.c). */
    struct operation_list *recorded;
};

/* The first member of each device's own buffers. */
struct buffer {
    struct device *device;
    size_t elements;
};

/* A kind of device that this build does not have, or another name, and why. */
struct device_lacking {
    const char *kind, *reason;
};

/* Each function does what its namesake in trainer/device.h says. Views have been checked before it
 * is called. */
struct device_type {
    const char *kind;
    bool automatic, gpu; /* whether the device names "auto" and "gpu" may choose it */
    /* The names that device_options may have, each list with a NULL at its end. NULL: the device
     * has no choice, and its precision is fp32. */
    const char *const *gemms, *const *precisions, *const *steps, *const *submissions,
                                                                     *const *exchanges;
    /* Further names of gemms, which this build lacks, with a NULL kind at the end; NULL: none. */
    const struct device_lacking *gemms_lacking;

    void (*list)(device_visitor *visit, void *context);
    /* Writes device_info.library, without asking hardware or its driver and without what only these
     * could tell. NULL: the device has no library. */
    enum status (*library)(char *text, size_t size, struct error *error);
    /* Whether `open` will find its hardware, as far as that can be told without opening it.
     * STATUS_DEVICE if not, with *shortly saying why in a few words. NULL: the hardware is always
     * there. */
    enum status (*find)(
        const char *rest, bool automatic, const char **shortly, struct error *error);
    /* `rest` is what follows "kind:" in the spec; NULL when nothing does. The function fills all of
     * struct device except `type`. */
    enum status (*open)(const char *rest, const struct device_options *options,
        struct device **device, struct error *error);
    void (*close)(struct device *device);
    /* What device_join does beside filling info.transport. NULL: nothing. */
    enum status (*join)(struct device *device, size_t elements, struct error *error);
    /* The two parts of device_environment: for the library, and for the drivers, which may be
     * asked. NULL: nothing needs to be set. */
    const char *(*environment)(const char **value);
    const char *(*driver_environment)(const char **value);
    /* Writes the choices to text[size], cut to fit: a line for each, as choices.h says. Returns the
     * length of all of them, as snprintf does. NULL: the device chooses nothing. */
    size_t (*choices)(const struct device *device, char *text, size_t size);

    /* Fills the device's own part of the buffer. The caller fills the two members of struct
     * buffer. */
    enum status (*allocate)(
        struct device *device, size_t elements, struct buffer **buffer, struct error *error);
    void (*free_buffer)(struct buffer *buffer);
    /* Two buffers for device_allocate_exchanged; false: there is no place that takes less. NULL:
     * there never is. */
    bool (*allocate_exchanged)(
        struct device *device, size_t elements, struct buffer **values, struct buffer **sums);
    struct device_memory (*memory)(const struct device *device); /* NULL: it can't know */
    /* Both NULL: it has no such way. */
    bool (*pin)(struct device *device, const void *memory, size_t bytes);
    void (*unpin)(struct device *device, const void *memory);
    enum status (*download)(
        struct device *device, struct view source, void *host, struct error *error);
    enum status (*synchronise)(struct device *device, struct error *error);
    /* Fills peak->arithmetic, while the device is idle. NULL: it does not compute on the host, and
     * its arithmetic can't be measured. */
    enum status (*measure_arithmetic)(
        struct device *device, struct device_peak *peak, struct error *error);

    bool (*read_clocks)(struct device *device, struct device_clocks *clocks); /* NULL: it can't */

    /* Enqueues an operation, which has been checked. */
    enum status (*enqueue)(
        struct device *device, const struct operation *operation, struct error *error);

    /* Recordings: a device has all four members, or none (0 and NULL). `compile` makes a recording
     * of `count` operations, at most `longest`, none of which sends host memory. *recording stays
     * NULL, and that is no error, where the operations are best enqueued one by one. `run` enqueues
     * the recording, as often as it is called. `free_recording` ends it. */
    size_t longest;
    enum status (*compile)(struct device *device, const struct operation *operations, size_t count,
        struct recording **recording, struct error *error);
    enum status (*run)(struct device *device, struct recording *recording, struct error *error);
    void (*free_recording)(struct device *device, struct recording *recording);
};

/* Adds a text to device_info.warning, unless that has it already. (device.c) */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void device_warn(struct device *device, const char *format, ...);

/* Writes "cpu, reference, ..." to `text`: all kinds of this build except `except`. It does not ask
 * whether their hardware is there, so the user of one device does not wait for the drivers of
 * another. (find.c) */
const char *device_list_others(const char *except, char *text, size_t size);

/* The kinds that this build has, best first, with a NULL at the end; and those that it lacks,
 * ending with a NULL kind. (list.c) */
extern const struct device_type *const device_types[];
extern const struct device_lacking device_types_lacking[];

#endif
