#include "groups.h"

#include "emulated_cuda.h"
#include "group_host.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

/* What can't be done here is none of the tested program's business. */
static void must(bool done, const char *what) {
    if (done)
        return;
    fprintf(stderr, "emulated CUDA: %s\n", what);
    abort();
}

/* --- Compiling --- */

static char *read_all(const char *path) {
    FILE *file = fopen(path, "r");
    must(file != NULL, "a kernel's text that can't be read");
    size_t length = 0, capacity = 1 << 16;
    char *text = malloc(capacity);
    for (size_t got; (got = fread(text + length, 1, capacity - length - 1, file)) > 0;) {
        length += got;
        if (capacity - length < 2)
            text = realloc(text, capacity *= 2);
    }
    fclose(file);
    text[length] = '\0';
    return text;
}

/* Takes a parameter, like "const float *x"; gives its type, without the name. */
static void read_parameter(
    const char *text, size_t length, struct group_kernel *kernel, char *type, size_t type_size) {
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    while (length > 0 && (isalnum((unsigned char)text[length - 1]) || text[length - 1] == '_'))
        length--;
    snprintf(type, type_size, "%.*s", (int)length, text);
    must(kernel->count < GROUP_ARGUMENTS, "a kernel with too many parameters");
    kernel->kinds[kernel->count] = strchr(type, '*')       ? ADDRESS
                                   : strstr(type, "ulong") ? EIGHT
                                                           : FOUR;
    kernel->written[kernel->count++] = strchr(type, '*') && !strstr(type, "const");
}

/* Reads a kernel's head, "name(parameters)", and writes a function that calls it with the arguments
 * at some addresses. */
static void read_kernel(const char *head, struct group_kernel *kernel, FILE *out) {
    const char *open = strchr(head, '('), *end = strchr(open, ')');
    int length = (int)(open - head);
    while (length > 0 && isspace((unsigned char)head[length - 1]))
        length--;
    memset(kernel, 0, sizeof *kernel);
    snprintf(kernel->name, sizeof kernel->name, "%.*s", length, head);
    fprintf(out, "\nvoid run_%s(void *const *a) {\n    %s(", kernel->name, kernel->name);
    for (const char *at = open + 1; at < end;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *next = comma ? comma : end;
        char type[64];
        read_parameter(at, (size_t)(next - at), kernel, type, sizeof type);
        fprintf(out, "%s*(%s *)a[%zu]", kernel->count > 1 ? ", " : "", type, kernel->count - 1);
        at = next + 1;
    }
    fprintf(out, ");\n}\n");
}

static void compile(const char *how, const char *from, const char *to) {
    char command[8192];
    const int length = snprintf(
        command, sizeof command, EMULATED_CC " -std=c11 -w %s -o %s %s -lm", how, to, from);
    must(length < (int)sizeof command && system(command) == 0, "a kernel that is not C");
}

size_t emulated_groups_compile(const char *text, const char *options,
    struct group_kernel kernels[GROUP_KERNELS], void **host) {
    static const char *const names[] = {"text.c", "kernel.c", "kernel.so"};
    const char *temporary = getenv("TMPDIR");
    char folder[256], paths[3][300];
    snprintf(folder, sizeof folder, "%s/kernels-XXXXXX", temporary ? temporary : "/tmp");
    must(mkdtemp(folder) != NULL, "no temporary folder for kernels");
    for (size_t p = 0; p < 3; p++)
        snprintf(paths[p], sizeof paths[p], "%s/%s", folder, names[p]);

    FILE *file = fopen(paths[0], "w");
    must(file && fputs(text, file) >= 0 && fclose(file) == 0, "a kernel that can't be written");
    char preprocess[4096];
    snprintf(preprocess, sizeof preprocess, "-E -P -include " EMULATED_WORDS " %s", options);
    compile(preprocess, paths[0], paths[1]);
    char *preprocessed = read_all(paths[1]);
    file = fopen(paths[1], "a");
    must(file != NULL, "a kernel that can't be written");
    size_t count = 0;
    static const char mark[] = "GROUP_KERNEL ";
    for (const char *at = preprocessed; (at = strstr(at, mark)); at++) {
        must(count < GROUP_KERNELS, "a program with too many kernels");
        read_kernel(at + strlen(mark), &kernels[count++], file);
    }
    fclose(file);
    free(preprocessed);
    compile("-O1 -fPIC -shared -DGROUP_KERNEL=void", paths[1], paths[2]);

    void *library = dlopen(paths[2], RTLD_NOW | RTLD_LOCAL);
    must(library != NULL, "a kernel that can't be loaded");
    *host = dlsym(library, "group_host");
    for (size_t k = 0; k < count; k++) {
        char name[80];
        snprintf(name, sizeof name, "run_%s", kernels[k].name);
        *(void **)&kernels[k].run = dlsym(library, name);
        must(kernels[k].run != NULL, "a kernel that is not there");
    }
    for (size_t p = 0; p < 3; p++)
        remove(paths[p]);
    rmdir(folder);
    return count;
}

/* --- A launch --- */

enum { STACK = 64 << 10, SHARED_MAX = 8, SPINS_MOST = 2000000 };

/* A buffer that the kernel writes, as a group has it: `own` is what its items read and write, and
 * `seen` what it was when the group last published. */
struct view_of {
    uint32_t *own, *seen;
};

struct group {
    struct group_item at;
    void *arguments[GROUP_ARGUMENTS], *addresses[GROUP_ARGUMENTS];
    struct view_of views[GROUP_ARGUMENTS];
    struct {
        const void *declaration;
        void *memory;
    } shared[SHARED_MAX];
    size_t waiting, left; /* items: at the barrier; not ended */
};

struct item {
    ucontext_t context;
    struct group *group;
    uint32_t id[3];
    bool waits, ended;
};

static struct launch {
    const struct group_kernel *kernel;
    struct group_host *host;
    size_t sizes[GROUP_ARGUMENTS];     /* words of what is written; or 0 */
    uint32_t *memory[GROUP_ARGUMENTS]; /* the GPU's own */
    size_t items;                      /* of a group */
    ucontext_t scheduler;
    struct item *at; /* the item that is at work */
    struct item **ready;
    size_t ready_count;
    unsigned long spins; /* looks at a count since the last item did anything else */
    bool stuck;          /* there were so many that it will never do anything else */
    uint64_t random;
} launch;

static size_t draw(size_t below) {
    launch.random ^= launch.random << 13; /* xorshift64, Marsaglia 2003 */
    launch.random ^= launch.random >> 7;
    launch.random ^= launch.random << 17;
    return (size_t)(launch.random % below);
}

static void yield(void) {
    swapcontext(&launch.at->context, &launch.scheduler);
}

/* --- What an item asks for --- */

static void barrier(void) {
    struct group *group = launch.at->group;
    launch.spins = 0;
    launch.at->waits = true;
    group->waiting++;
    yield();
}

/* Writes what the group has changed to the GPU's memory, and reads that anew. */
static void exchange(struct group *group) {
    for (size_t a = 0; a < GROUP_ARGUMENTS; a++) {
        uint32_t *own = group->views[a].own, *seen = group->views[a].seen;
        uint32_t *memory = launch.memory[a];
        for (size_t w = 0; own && w < launch.sizes[a]; w++) {
            if (own[w] != seen[w] && memory[w] != seen[w] && memory[w] != own[w])
                emulated_violation("%s: two groups write element %zu of argument %zu at once",
                    launch.kernel->name, w, a);
            if (own[w] != seen[w])
                memory[w] = own[w];
            own[w] = seen[w] = memory[w];
        }
    }
}

static void publish(void) {
    launch.spins = 0;
    exchange(launch.at->group);
}

/* Finds the argument, and its word, that is at `place` in the group's view. False when that is not
 * written by groups, or they share their memory. */
static bool find_word(const uint32_t *place, size_t *argument, size_t *word) {
    for (size_t a = 0; a < GROUP_ARGUMENTS; a++) {
        const uint32_t *own = launch.at->group->views[a].own;
        if (!own || place < own || place >= own + launch.sizes[a])
            continue;
        *argument = a;
        *word = (size_t)(place - own);
        return true;
    }
    return false;
}

/* What the GPU's memory has for what is at `place` in the group's view. */
static uint32_t read_word(const void *place) {
    size_t a, w;
    return find_word(place, &a, &w) ? launch.memory[a][w] : *(const uint32_t *)place;
}

static void write_word(uint32_t *place, uint32_t value) {
    size_t a, w;
    if (find_word(place, &a, &w))
        launch.memory[a][w] = launch.at->group->views[a].seen[w] = value;
    *place = value;
}

static float load_published(const float *from) {
    const uint32_t word = read_word(from);
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static uint atomic_add(uint *count, uint more) {
    launch.spins = 0;
    yield();
    const uint before = read_word(count);
    write_word(count, before + more);
    return before;
}

static uint atomic_read(const uint *count) {
    if (++launch.spins == SPINS_MOST) {
        emulated_violation("%s: groups wait for ever", launch.kernel->name);
        launch.stuck = true;
    }
    yield();
    return read_word(count);
}

static void *shared(const void *declaration, ulong bytes) {
    struct group *group = launch.at->group;
    size_t s = 0;
    while (s < SHARED_MAX && group->shared[s].memory && group->shared[s].declaration != declaration)
        s++;
    must(s < SHARED_MAX, "a kernel with too many arrays in shared memory");
    if (!group->shared[s].memory) {
        group->shared[s].declaration = declaration;
        group->shared[s].memory = aligned_alloc(16, (bytes + 15) / 16 * 16);
        memset(group->shared[s].memory, 0xff, bytes); /* NaN */
    }
    return group->shared[s].memory;
}

/* --- Groups --- */

/* The views of all groups together have so many bytes at most. Where they would have more, groups
 * share the GPU's memory. */
static const size_t views_most = (size_t)256 << 20;

static void find_written(unsigned char (*arguments)[8], size_t groups) {
    size_t all = 0;
    for (size_t a = 0; a < launch.kernel->count; a++) {
        launch.sizes[a] = 0;
        if (launch.kernel->kinds[a] != ADDRESS || !launch.kernel->written[a])
            continue;
        memcpy(&launch.memory[a], arguments[a], sizeof launch.memory[a]);
        launch.sizes[a] = emulated_bytes(launch.memory[a], launch.kernel->name) / sizeof(uint32_t);
        all += launch.sizes[a];
    }
    if (2 * all * sizeof(uint32_t) > views_most / groups)
        memset(launch.sizes, 0, sizeof launch.sizes);
}

static void begin_group(struct group *group, unsigned char (*arguments)[8]) {
    for (size_t a = 0; a < launch.kernel->count; a++) {
        group->arguments[a] = arguments[a];
        const size_t bytes = launch.sizes[a] * sizeof(uint32_t);
        if (bytes == 0)
            continue;
        group->views[a].own = malloc(bytes);
        group->views[a].seen = malloc(bytes);
        memcpy(group->views[a].own, launch.memory[a], bytes);
        memcpy(group->views[a].seen, launch.memory[a], bytes);
        group->addresses[a] = group->views[a].own;
        group->arguments[a] = &group->addresses[a];
    }
}

static void end_group(struct group *group) {
    exchange(group);
    for (size_t a = 0; a < GROUP_ARGUMENTS; a++) {
        free(group->views[a].own);
        free(group->views[a].seen);
    }
    for (size_t s = 0; s < SHARED_MAX; s++)
        free(group->shared[s].memory);
}

static void run_item(void) {
    launch.kernel->run(launch.at->group->arguments);
    launch.at->ended = true;
    yield();
}

/* Once all items of a group have come to the barrier, they are ready again. */
static void after(struct item *item, size_t place, struct item *first_of_group) {
    struct group *group = item->group;
    if (!item->ended && !item->waits)
        return;
    launch.ready[place] = launch.ready[--launch.ready_count];
    if (item->ended && --group->left == 0)
        end_group(group);
    if (group->waiting < launch.items)
        return;
    group->waiting = 0;
    for (size_t i = 0; i < launch.items; i++) {
        first_of_group[i].waits = false;
        launch.ready[launch.ready_count++] = &first_of_group[i];
    }
}

/* The stacks of so many items. They are kept for later launches. */
static unsigned char *get_stacks(size_t items) {
    static unsigned char *stacks;
    static size_t count;
    if (items <= count)
        return stacks;
    if (stacks)
        munmap(stacks, count * STACK);
    count = items;
    stacks = mmap(NULL, count * STACK, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    must(stacks != MAP_FAILED, "no memory for the stacks of a kernel's items");
    return stacks;
}

/* Runs some groups, all at once. */
static void run_together(struct group *groups, size_t count, unsigned char (*arguments)[8]) {
    const size_t all = count * launch.items;
    struct item *items = calloc(all, sizeof *items);
    launch.ready = malloc(all * sizeof *launch.ready);
    launch.ready_count = 0;
    unsigned char *stacks = get_stacks(all);
    for (size_t i = 0; i < all; i++) {
        struct group *group = items[i].group = &groups[i / launch.items];
        const uint32_t *size = group->at.items;
        const size_t number = i % launch.items;
        if (number == 0) {
            group->left = launch.items;
            begin_group(group, arguments);
        }
        items[i].id[0] = (uint32_t)(number % size[0]);
        items[i].id[1] = (uint32_t)(number / size[0] % size[1]);
        items[i].id[2] = (uint32_t)(number / size[0] / size[1]);
        getcontext(&items[i].context);
        items[i].context.uc_stack.ss_sp = stacks + i * STACK;
        items[i].context.uc_stack.ss_size = STACK;
        makecontext(&items[i].context, run_item, 0);
        launch.ready[launch.ready_count++] = &items[i];
    }
    while (launch.ready_count > 0 && !launch.stuck) {
        const size_t place = draw(launch.ready_count);
        struct item *item = launch.at = launch.ready[place];
        memcpy(item->group->at.item, item->id, sizeof item->id);
        launch.host->at = &item->group->at;
        swapcontext(&launch.scheduler, &item->context);
        after(item, place, &items[(size_t)(item->group - groups) * launch.items]);
    }
    for (size_t g = 0; g < count; g++)
        if (groups[g].left > 0) {
            emulated_violation("%s: items wait at a barrier that others of their group don't reach",
                launch.kernel->name);
            end_group(&groups[g]);
        }
    free(launch.ready);
    free(items);
}

void emulated_groups_run(const struct group_kernel *kernel, void *host,
    unsigned char (*arguments)[8], dim3 grid, dim3 block, size_t most, unsigned long seed) {
    const size_t count = (size_t)grid.x * grid.y * grid.z;
    launch.kernel = kernel;
    launch.host = host;
    launch.items = (size_t)block.x * block.y * block.z;
    launch.random = seed * 2654435769U + 1;
    launch.spins = 0;
    launch.stuck = false;
    *launch.host = (struct group_host){
        NULL, barrier, publish, load_published, atomic_add, atomic_read, shared};
    find_written(arguments, count < most ? count : most);
    struct group *groups = calloc(count, sizeof *groups), spare;
    for (size_t g = 0; g < count; g++)
        groups[g].at = (struct group_item){.items = {block.x, block.y, block.z},
            .group = {(uint)(g % grid.x), (uint)(g / grid.x % grid.y), (uint)(g / grid.x / grid.y)},
            .groups = {grid.x, grid.y, grid.z}};
    for (size_t g = count; g > 1; g--) {
        const size_t other = draw(g);
        spare = groups[g - 1];
        groups[g - 1] = groups[other];
        groups[other] = spare;
    }
    for (size_t g = 0; g < count; g += most)
        run_together(groups + g, count - g < most ? count - g : most, arguments);
    free(groups);
}
