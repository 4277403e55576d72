/* An OpenCL layer for tests: it stands between a program and its driver, makes chosen calls fail,
 * counts the references that the program holds, and times what the device does.
 *
 *   OPENCL_LAYERS=layer.so      the loader puts it there
 *   LD_PRELOAD=layer.so         CLBlast's calls can fail, too
 *   OPENCL_LAYER_FAIL=N         the Nth of the calls that can fail does so, without being made
 *   OPENCL_LAYER_FAIL_FROM=N    all of them do from the Nth on
 *   OPENCL_LAYER_FAIL_SITE=KEY  the first one from this place does, see "sites"
 *   OPENCL_LAYER_PROFILE=1      every command gets an event, which says when it ran
 *   OPENCL_LAYER_REPORT=FILE    what was seen, written as a JSON object when the process ends:
 *
 *   "calls": {"clCreateBuffer": 7, ...}      of each function
 *   "counted": 312                           calls that can fail
 *   "failed": {"call": 9, "function": "clCreateBuffer", "code": -4}    the first that did, or null
 *   "outstanding": {"mem": 0, ...}           references to each kind of object, not released
 *   "changed": 0                             writes whose host memory was not the same at the next
 *                                            wait; a sanitizer tells where it was freed
 *   "sites": [[1, "clGetPlatformIDs", KEY], ...]   the first counted call from each distinct place,
 *                                            which is a chain of callers, and the same in every run
 *
 * A clFinish with nothing to wait for is called clFinish_idle there: a program may ignore that it
 * fails.
 *
 * With a profile, there are no sites, but:
 *
 *   "spans": [{"commands": 9, "seconds": 0.1, "busy": 0.09, "idle": 0.01}, ...]
 *                                            of what was enqueued between two waits: from its first
 *                                            start to its last end; running; nothing running
 *   "spans_left_out": 0, "unmeasured": 0     spans and commands of which there was too much
 *   "kernels": {"name": {"count": 3, "seconds": 0.01}, ...}   the other commands by their function
 */
#include "calls.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- What is known ------------------------------------------------------------------------- */

enum {
    SITES = 1 << 14,
    FRAMES = 100,
    PENDING = 1 << 16,
    SPANS = 1 << 12,
    LABELS = 256,
    SOURCES = 64
};

static const cl_icd_dispatch *target; /* what comes after this layer */
static unsigned long fail_at, fail_from;
static uint64_t fail_site;
static bool profile;
static const char *report_path;
static bool ended; /* what C++ destroys after this module is reported anew */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of everything below */

static unsigned long calls[CALLS], counted;
static long outstanding[KINDS];
static bool idle = true; /* nothing was enqueued since the last wait */
static struct source {
    const void *host;
    size_t size;
    uint64_t hash;
} sources[SOURCES];
static size_t sources_count; /* since the last wait; there may have been more than SOURCES */
static unsigned long changed;
static struct site {
    uint64_t key; /* of the places that the call returns to */
    unsigned long number;
    enum call call;
} sites[SITES], failed;
static size_t site_count;

static struct pending {
    cl_command_queue queue;
    cl_event event;
    struct label *label;
} pending[PENDING]; /* commands whose times are not known yet */
static size_t pending_count, unmeasured;
static struct interval {
    cl_ulong start, end;
} intervals[PENDING];
static struct span {
    size_t commands;
    double seconds, busy;
} spans[SPANS];
static size_t span_count, spans_left_out;
static struct label {
    char name[64];
    size_t count;
    double seconds;
} labels[LABELS];
static size_t label_count;

/* --- Failing ------------------------------------------------------------------------------- */

/* A site is the whole chain of callers: a helper that makes a call for many is as many sites. What
 * CLBlast calls is the same, whoever called CLBlast: the chain ends where this module comes again.
 */
static uint64_t site_key(void) {
    void *frames[FRAMES];
    Dl_info own, module;
    dladdr(call_names, &own);
    const int count = backtrace(frames, FRAMES);
    bool entered = false, left = false;
    uint64_t key = 14695981039346656037U; /* FNV-1a */
    for (int i = 0; i < count && dladdr(frames[i], &module) != 0; i++) {
        const bool here = module.dli_fbase == own.dli_fbase;
        if (here && left)
            break;
        left = entered && !here;
        entered = entered || here; /* a sanitizer's own backtrace() may come first */
        /* modules are at other addresses in each run */
        key = (key ^ ((uintptr_t)frames[i] - (uintptr_t)module.dli_fbase)) * 1099511628211U;
    }
    return key;
}

/* Whether the site is new. */
static bool add_site(struct site site) {
    for (size_t i = 0; i < site_count; i++)
        if (sites[i].key == site.key)
            return false;
    if (site_count == SITES) {
        fprintf(stderr, "layer: more than %d sites\n", SITES);
        abort();
    }
    sites[site_count++] = site;
    return true;
}

/* Counts a call; whether it must fail. */
static bool fails(enum call call) {
    struct site site = {.call = call};
    const bool wanted = report_path && !profile; /* it takes some time */
    if (wanted)
        site.key = site_key();
    pthread_mutex_lock(&mutex);
    calls[call]++;
    site.number = ++counted;
    const bool first = wanted && add_site(site);
    const bool fail = site.number == fail_at || (fail_from > 0 && site.number >= fail_from) ||
                      (first && site.key == fail_site);
    if (fail && failed.number == 0)
        failed = site;
    pthread_mutex_unlock(&mutex);
    return fail;
}

/* --- Memory that writes read --------------------------------------------------------------- */

static uint64_t hash_of(const unsigned char *bytes, size_t size) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

/* After a write that does not wait was enqueued. Of many only the last are kept. */
static void note_source(const void *host, size_t size) {
    const uint64_t hash = hash_of(host, size);
    pthread_mutex_lock(&mutex);
    sources[sources_count++ % SOURCES] = (struct source){host, size, hash};
    pthread_mutex_unlock(&mutex);
}

/* Once everything that was enqueued has been waited for. */
static void check_sources(void) {
    pthread_mutex_lock(&mutex);
    for (size_t s = 0; s < sources_count && s < SOURCES; s++)
        changed += hash_of(sources[s].host, sources[s].size) != sources[s].hash;
    sources_count = 0;
    pthread_mutex_unlock(&mutex);
}

/* --- Calls --------------------------------------------------------------------------------- */

static void set_idle(bool now) {
    if (now)
        check_sources();
    pthread_mutex_lock(&mutex);
    idle = now;
    pthread_mutex_unlock(&mutex);
}

static void refer(enum kind kind, long change) {
    pthread_mutex_lock(&mutex);
    outstanding[kind] += change;
    pthread_mutex_unlock(&mutex);
}

/* --- Profiling ----------------------------------------------------------------------------- */

enum { PROPERTIES = 32 };

static const cl_queue_properties *with_profiling(
    const cl_queue_properties *properties, cl_queue_properties copy[PROPERTIES]) {
    if (!profile)
        return properties;
    cl_queue_properties flags = CL_QUEUE_PROFILING_ENABLE;
    size_t count = 2; /* the flags come first */
    for (; properties && *properties && count < PROPERTIES - 3; properties += 2)
        if (properties[0] == CL_QUEUE_PROPERTIES) {
            flags |= properties[1];
        } else {
            copy[count++] = properties[0];
            copy[count++] = properties[1];
        }
    copy[0] = CL_QUEUE_PROPERTIES;
    copy[1] = flags;
    copy[count] = 0;
    return copy;
}

/* The kernel's name, good until the thread's next call. */
static const char *kernel_name(cl_kernel kernel) {
    static _Thread_local char name[sizeof labels->name];
    if (!profile || target->clGetKernelInfo(
                        kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL) != CL_SUCCESS)
        return "a kernel";
    return name;
}

static struct label *find_label(const char *name) {
    for (size_t i = 0; i < label_count; i++)
        if (strcmp(labels[i].name, name) == 0)
            return &labels[i];
    if (label_count == LABELS) /* the last one is for all others */
        return &labels[LABELS - 1];
    struct label *label = &labels[label_count++];
    snprintf(label->name, sizeof label->name, "%s", label_count == LABELS ? "others" : name);
    return label;
}

static int compare_intervals(const void *left, const void *right) {
    const cl_ulong a = ((const struct interval *)left)->start;
    const cl_ulong b = ((const struct interval *)right)->start;
    return (a > b) - (a < b);
}

/* After a wait: takes the times of the queue's commands. They are one span. */
static void collect(cl_command_queue queue) {
    size_t kept = 0, count = 0;
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < pending_count; i++) {
        const struct pending command = pending[i];
        struct interval *times = &intervals[count];
        if (command.queue != queue) {
            pending[kept++] = command;
            continue;
        }
        if (target->clGetEventProfilingInfo(command.event, CL_PROFILING_COMMAND_START,
                sizeof times->start, &times->start, NULL) == CL_SUCCESS &&
            target->clGetEventProfilingInfo(command.event, CL_PROFILING_COMMAND_END,
                sizeof times->end, &times->end, NULL) == CL_SUCCESS) {
            command.label->count++;
            command.label->seconds += 1e-9 * (double)(times->end - times->start);
            count++;
        } else {
            unmeasured++;
        }
        target->clReleaseEvent(command.event);
    }
    pending_count = kept;
    if (count > 0 && span_count == SPANS) {
        spans_left_out++;
    } else if (count > 0) {
        qsort(intervals, count, sizeof *intervals, compare_intervals);
        cl_ulong until = intervals[0].start, busy = 0;
        for (const struct interval *one = intervals; one < intervals + count; one++)
            if (one->end > until) {
                busy += one->end - (one->start > until ? one->start : until);
                until = one->end;
            }
        spans[span_count++] =
            (struct span){count, 1e-9 * (double)(until - intervals[0].start), 1e-9 * (double)busy};
    }
    pthread_mutex_unlock(&mutex);
}

/* After a command was enqueued: keeps its event until its times are known. */
static void keep(cl_command_queue queue, cl_event event, const char *label) {
    pthread_mutex_lock(&mutex);
    const bool full = pending_count == PENDING;
    pthread_mutex_unlock(&mutex);
    if (full) { /* memory has its bounds: this wait is the layer's own */
        target->clFinish(queue);
        collect(queue);
    }
    pthread_mutex_lock(&mutex);
    if (pending_count < PENDING) {
        pending[pending_count++] = (struct pending){queue, event, find_label(label)};
    } else { /* of other queues */
        target->clReleaseEvent(event);
        unmeasured++;
    }
    pthread_mutex_unlock(&mutex);
}

/* --- Reporting ----------------------------------------------------------------------------- */

static void write_report(void) {
    FILE *file = report_path && target ? fopen(report_path, "w") : NULL;
    if (!file)
        return;
    fprintf(file, "{\"calls\": {");
    for (int call = 0, written = 0; call < CALLS; call++)
        if (call_names[call])
            fprintf(file, "%s\"%s\": %lu", written++ ? ", " : "", call_names[call], calls[call]);
    fprintf(file, "},\n \"counted\": %lu, \"failed\": ", counted);
    if (failed.number > 0)
        fprintf(file, "{\"call\": %lu, \"function\": \"%s\", \"code\": %d}", failed.number,
            call_names[failed.call], codes[failed.call]);
    else
        fprintf(file, "null");
    fprintf(file, ",\n \"outstanding\": {");
    for (int kind = 0; kind < KINDS; kind++)
        fprintf(file, "%s\"%s\": %ld", kind ? ", " : "", kind_names[kind], outstanding[kind]);
    fprintf(file, "},\n \"changed\": %lu,\n \"sites\": [", changed);
    for (size_t i = 0; i < site_count; i++)
        fprintf(file, "%s[%lu, \"%s\", \"%" PRIx64 "\"]", i ? ", " : "", sites[i].number,
            call_names[sites[i].call], sites[i].key);
    fprintf(file, "],\n \"spans\": [");
    for (size_t i = 0; i < span_count; i++)
        fprintf(file, "%s{\"commands\": %zu, \"seconds\": %.9f, \"busy\": %.9f, \"idle\": %.9f}",
            i ? ", " : "", spans[i].commands, spans[i].seconds, spans[i].busy,
            spans[i].seconds - spans[i].busy);
    fprintf(file, "],\n \"spans_left_out\": %zu, \"unmeasured\": %zu,\n \"kernels\": {",
        spans_left_out, unmeasured + pending_count);
    for (size_t i = 0; i < label_count; i++)
        fprintf(file, "%s\"%s\": {\"count\": %zu, \"seconds\": %.9f}", i ? ", " : "",
            labels[i].name, labels[i].count, labels[i].seconds);
    fprintf(file, "}}\n");
    fclose(file);
}

/* --- The functions ------------------------------------------------------------------------- */

#define DEFINE_PLAIN(name, code, parameters, arguments)                                            \
    static cl_int CL_API_CALL layer_##name parameters {                                            \
        return fails(CALL_##name) ? code : target->name arguments;                                 \
    }
PLAIN(DEFINE_PLAIN)
QUERIES(DEFINE_PLAIN)

#define DEFINE_MAKING(name, code, parameters, arguments, type, kind)                               \
    static type CL_API_CALL layer_##name parameters {                                              \
        if (fails(CALL_##name)) {                                                                  \
            if (status)                                                                            \
                *status = code;                                                                    \
            return NULL;                                                                           \
        }                                                                                          \
        type made = target->name arguments;                                                        \
        refer(kind, made ? 1 : 0);                                                                 \
        return made;                                                                               \
    }
MAKING(DEFINE_MAKING)

#define DEFINE_ENQUEUEING(name, code, parameters, arguments, label, waiting, then)                 \
    static cl_int CL_API_CALL layer_##name parameters {                                            \
        if (fails(CALL_##name))                                                                    \
            return code;                                                                           \
        cl_event own = NULL, *const asked = event;                                                 \
        event = profile && !asked ? &own : asked;                                                  \
        const cl_int status = target->name arguments;                                              \
        if (status != CL_SUCCESS)                                                                  \
            return status;                                                                         \
        refer(EVENT, asked ? 1 : 0);                                                               \
        set_idle(waiting);                                                                         \
        then;                                                                                      \
        if (profile && asked)                                                                      \
            target->clRetainEvent(*asked);                                                         \
        if (profile)                                                                               \
            keep(queue, *event, label);                                                            \
        if (profile && (waiting))                                                                  \
            collect(queue);                                                                        \
        return status;                                                                             \
    }
ENQUEUEING(DEFINE_ENQUEUEING)

#define DEFINE_REFERRING(name, type, kind, change)                                                 \
    static cl_int CL_API_CALL layer_##name(type object) {                                          \
        const cl_int status = target->name(object);                                                \
        pthread_mutex_lock(&mutex);                                                                \
        calls[CALL_##name]++;                                                                      \
        outstanding[kind] += status == CL_SUCCESS ? change : 0;                                    \
        pthread_mutex_unlock(&mutex);                                                              \
        if (ended)                                                                                 \
            write_report();                                                                        \
        return status;                                                                             \
    }
REFERRING(DEFINE_REFERRING)

static cl_int CL_API_CALL layer_clCreateSubDevices(cl_device_id device,
    const cl_device_partition_property *properties, cl_uint limit, cl_device_id *devices,
    cl_uint *count) {
    cl_uint made = 0;
    if (fails(CALL_clCreateSubDevices))
        return codes[CALL_clCreateSubDevices];
    const cl_int status = target->clCreateSubDevices(device, properties, limit, devices, &made);
    if (status == CL_SUCCESS && devices)
        refer(DEVICE, made);
    if (status == CL_SUCCESS && count)
        *count = made;
    return status;
}

/* A wait that fails has been made: a program can do no more before it frees what commands use. */

static cl_int CL_API_CALL layer_clFinish(cl_command_queue queue) {
    pthread_mutex_lock(&mutex);
    const enum call call = idle ? CALL_clFinish_idle : CALL_clFinish;
    pthread_mutex_unlock(&mutex);
    const bool fail = fails(call);
    const cl_int status = target->clFinish(queue);
    set_idle(true);
    if (profile)
        collect(queue);
    return fail ? codes[call] : status;
}

static cl_int CL_API_CALL layer_clWaitForEvents(cl_uint count, const cl_event *events) {
    const bool fail = fails(CALL_clWaitForEvents);
    const cl_int status = target->clWaitForEvents(count, events);
    return fail ? codes[CALL_clWaitForEvents] : status;
}

/* What the program or CLBlast was linked with comes after the preloaded module. */
#define DEFINE_CLBLAST(name, code, parameters, arguments)                                          \
    int name parameters;                                                                           \
    int name parameters {                                                                          \
        int(*next) parameters = NULL;                                                              \
        *(void **)&next = dlsym(RTLD_NEXT, #name);                                                 \
        if (fails(CALL_##name))                                                                    \
            return code;                                                                           \
        /* not a tail call: site_key() looks for this function */                                  \
        volatile const int status = next ? next arguments : NOT_IMPLEMENTED;                       \
        return status;                                                                             \
    }
CLBLAST(DEFINE_CLBLAST)

/* --- The module ---------------------------------------------------------------------------- */

cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t size, void *value, size_t *needed) {
    static const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    static const char name[] = "trainer's test layer";
    const void *from = what == CL_LAYER_NAME ? (const void *)name : &version;
    const size_t length = what == CL_LAYER_NAME ? sizeof name : sizeof version;
    if ((what != CL_LAYER_NAME && what != CL_LAYER_API_VERSION) || (value && size < length))
        return CL_INVALID_VALUE;
    if (value)
        memcpy(value, from, length);
    if (needed)
        *needed = length;
    return CL_SUCCESS;
}

cl_int CL_API_CALL clInitLayer(cl_uint count, const cl_icd_dispatch *next, cl_uint *count_of_ours,
    const cl_icd_dispatch **ours) {
    static cl_icd_dispatch table;
    enum { ENTRIES = sizeof table / sizeof(void *) };
    if (count < ENTRIES)
        return CL_INVALID_VALUE;
    target = next;
    table = *next;
#define REPLACE(name, ...) table.name = layer_##name;
    PLAIN(REPLACE)
    QUERIES(REPLACE)
    MAKING(REPLACE)
    ENQUEUEING(REPLACE)
    SPECIAL(REPLACE)
    REFERRING(REPLACE)
    *count_of_ours = ENTRIES;
    *ours = &table;
    return CL_SUCCESS;
}

static uint64_t number_from(const char *variable, int base) {
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, base) : 0;
}

__attribute__((constructor)) static void begin(void) {
    fail_at = number_from("OPENCL_LAYER_FAIL", 10);
    fail_from = number_from("OPENCL_LAYER_FAIL_FROM", 10);
    fail_site = number_from("OPENCL_LAYER_FAIL_SITE", 16);
    profile = number_from("OPENCL_LAYER_PROFILE", 10) > 0;
    report_path = getenv("OPENCL_LAYER_REPORT");
    unsetenv("LD_PRELOAD"); /* a driver's compiler may run a linker */
    (void)site_key();       /* the first backtrace loads a library */
}

__attribute__((destructor)) static void end(void) {
    ended = true;
    write_report();
}
