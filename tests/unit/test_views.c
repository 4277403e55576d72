/* What the interface refuses before a device sees it: views that don't lie in their buffer, shapes
 * that don't fit together, and results that overlap what they are made of. */
#include "support.h"

static struct device *device;
static struct error error;

static void test_outside(void **state) {
    (void)state;
    enum { ELEMENTS = 12 };
    struct device *other;
    const struct device_options options = {.threads = 1};
    struct buffer *buffer, *others;
    float host[ELEMENTS] = {0};
    assert_ok(device_open("reference", &options, &other, &error));
    assert_ok(device_allocate(device, ELEMENTS, &buffer, &error));
    assert_ok(device_allocate(other, ELEMENTS, &others, &error));
    const struct {
        struct view view;
        const char *said;
    } views[] = {{{buffer, 0, 4, 4}, "[4, 4]+0 of 12"}, {{buffer, 1, 3, 4}, "[3, 4]+1 of 12"},
        {{buffer, 12, 1, 1}, "[1, 1]+12 of 12"}, {{buffer, 13, 1, 1}, "[1, 1]+13 of 12"},
        {{buffer, SIZE_MAX, 1, 1}, "of 12"}, {{buffer, SIZE_MAX, 2, SIZE_MAX}, "of 12"},
        {{buffer, 0, 0, 4}, "[0, 4]"}, {{buffer, 0, 4, 0}, "[4, 0]"},
        {{others, 0, 3, 4}, "[3, 4]+0 of 12"}, {{NULL, 0, 3, 4}, "[3, 4]+0 of 0"}};
    for (size_t v = 0; v < sizeof views / sizeof *views; v++) {
        assert_fails(
            device_upload(device, views[v].view, host, &error), STATUS_FAILED, views[v].said);
        assert_fails(device_download(device, views[v].view, host, &error), STATUS_FAILED,
            "reference: download: views");
    }
    assert_ok(device_upload(device, (struct view){buffer, 11, 1, 1}, host, &error));
    assert_fails(device_upload(device, (struct view){buffer, 0, 3, 4}, NULL, &error), STATUS_FAILED,
        "upload");
    buffer_free(buffer);
    buffer_free(others);
    device_close(other);
}

enum called { FORWARD, BACKWARD, GRADIENT, OPTIMIZE, UPDATE, SOFTMAX, GATHER, PIXELS, OPERATIONS };
enum { VIEWS = 5, PLANE = 1024 };

static enum status compute(enum called operation, const struct view *v) {
    static const struct pixel_format format = {3, PLANE, true, {0.299, 0.587, 0.114}};
    static const uint8_t pixels[3 * PLANE];
    switch (operation) {
    case FORWARD:
        return device_dense_forward(device, v[0], v[1], v[2], ACTIVATION_NONE, v[3], &error);
    case BACKWARD:
        return device_dense_backward(device, v[0], v[1], v[2], ACTIVATION_NONE, v[3], &error);
    case GRADIENT:
        return device_dense_gradient(device, v[0], v[1], v[2], v[3], &error);
    case OPTIMIZE:
        return device_optimize(device, OPTIMIZER_GRADIENT_DESCENT, v[0], v[1], v[2], NULL, &error);
    case UPDATE:
        return device_dense_update(device, v[0], v[1], v[2], v[3], v[4], &error);
    case SOFTMAX:
        return device_softmax_cross_entropy(device, v[0], v[1], 1.0f, 0.0f, v[2], &error);
    case GATHER:
        return device_gather_rows(device, v[0], v[1], v[2], &error);
    default:
        return device_upload_pixels(device, pixels, &format, v[0], &error);
    }
}

/* Every side of every view must fit to the others, but for those that fit to any. */
static void test_shapes(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t count, shapes[VIEWS][2];
        int free_operand, free_side; /* that may be anything; -1: none */
    } operations[OPERATIONS] = {
        {"dense_forward", 4, {{2, 3}, {3, 4}, {1, 4}, {2, 4}}, -1, -1},
        {"dense_backward", 4, {{2, 4}, {3, 4}, {2, 3}, {2, 3}}, -1, -1},
        {"dense_gradient", 4, {{2, 3}, {2, 4}, {3, 4}, {1, 4}}, -1, -1},
        {"optimize", 3, {{2, 3}, {1, 1}, {2, 3}}, -1, -1},
        {"dense_update", 5, {{2, 3}, {2, 4}, {1, 1}, {3, 4}, {1, 4}}, -1, -1},
        {"softmax_cross_entropy", 3, {{2, 4}, {2, 1}, {2, 2}}, 0, 1}, /* classes */
        {"gather_rows", 3, {{5, 3}, {2, 1}, {2, 3}}, 0, 0},           /* rows to choose from */
        {"upload_pixels", 1, {{1, PLANE}}, 0, 0},                     /* samples */
    };
    struct buffer *buffer;
    assert_ok(device_allocate(device, 2 * PLANE, &buffer, &error));
    for (int o = FORWARD; o < OPERATIONS; o++)
        for (size_t wrong = 0; wrong < 2 * operations[o].count; wrong++) {
            const int operand = (int)(wrong / 2), side = (int)(wrong % 2);
            struct view views[VIEWS];
            for (size_t v = 0; v < operations[o].count; v++)
                views[v] =
                    device_view(buffer, operations[o].shapes[v][0], operations[o].shapes[v][1]);
            ++*(side == 0 ? &views[operand].rows : &views[operand].columns);
            if (operand != operations[o].free_operand || side != operations[o].free_side)
                assert_fails(compute((enum called)o, views), STATUS_FAILED, operations[o].name);
        }
    buffer_free(buffer);
}

enum { APART = 64, ZEROS = (VIEWS + 1) * APART };

/* All elements are 0 before, which are indices, too. */
static enum status compute_anew(enum called operation, const struct view *views) {
    static const float zeros[ZEROS];
    assert_ok(device_upload(device, device_view(views[0].buffer, 1, ZEROS), zeros, &error));
    return compute(operation, views);
}

/* What is written overlaps nothing else, be it by one element; what is only read may. */
static void test_overlaps(void **state) {
    (void)state;
    static const struct {
        enum called operation;
        size_t count, shapes[VIEWS][2];
        bool written[VIEWS];
    } operations[] = {
        {FORWARD, 4, {{3, 3}, {3, 3}, {1, 3}, {3, 3}}, {[3] = true}},
        {BACKWARD, 4, {{3, 3}, {3, 3}, {3, 3}, {3, 3}}, {[3] = true}},
        {GRADIENT, 4, {{3, 3}, {3, 3}, {3, 3}, {1, 3}}, {[2] = true, [3] = true}},
        {OPTIMIZE, 3, {{3, 3}, {1, 1}, {3, 3}}, {[2] = true}},
        {UPDATE, 5, {{3, 3}, {3, 3}, {1, 1}, {3, 3}, {1, 3}}, {[3] = true, [4] = true}},
        {SOFTMAX, 3, {{3, 3}, {3, 1}, {3, 2}}, {[0] = true, [2] = true}},
        {GATHER, 3, {{3, 3}, {3, 1}, {3, 3}}, {[2] = true}},
    };
    struct buffer *buffer;
    assert_ok(device_allocate(device, ZEROS, &buffer, &error));
    for (size_t o = 0; o < sizeof operations / sizeof *operations; o++)
        for (size_t v = 0; v < operations[o].count; v++)
            for (size_t other = 0; other < operations[o].count; other++) {
                struct view views[VIEWS];
                for (size_t n = 0; n < operations[o].count; n++)
                    views[n] = (struct view){buffer, (n + 1) * APART, operations[o].shapes[n][0],
                        operations[o].shapes[n][1]};
                assert_ok(compute_anew(operations[o].operation, views));
                if (v == other)
                    continue;
                /* One ends where the other begins; and one element further. */
                views[v].offset = views[other].offset - views[v].rows * views[v].columns;
                assert_ok(compute_anew(operations[o].operation, views));
                views[v].offset++;
                const bool wrong = operations[o].written[v] || operations[o].written[other];
                const enum status status = compute_anew(operations[o].operation, views);
                if (wrong)
                    assert_fails(status, STATUS_FAILED, "that overlap where one is written");
                else
                    assert_ok(status);
            }
    buffer_free(buffer);
}

/* Images that are none, too large, of no whole elements, or of more channels than are mixed. */
static void test_pixel_formats(void **state) {
    (void)state;
    static uint8_t pixels[PIXELS_IMAGE_MAX];
    static const struct {
        struct pixel_format format;
        size_t columns;
        bool taken;
    } cases[] = {
        {{1, PIXELS_IMAGE_MAX, false, {0}}, PIXELS_IMAGE_MAX, true},
        {{1, PIXELS_IMAGE_MAX, true, {1.0}}, PIXELS_IMAGE_MAX, true},
        {{4, 3, false, {0}}, 12, true},
        {{1, PIXELS_IMAGE_MAX + 4, false, {0}}, PIXELS_IMAGE_MAX + 4, false},
        {{SIZE_MAX, 4, false, {0}}, SIZE_MAX - 3, false},
        {{4, 4, true, {0}}, 4, false},
        {{.channels = 4, .plane = 3, .normalized = true}, 12, false},
        {{3, 3, true, {0}}, 3, false},
        {{0, 4, false, {0}}, 4, false},
        {{0, 4, true, {0}}, 4, false},
        {{1, 0, false, {0}}, 4, false},
        {{1, 0, true, {0}}, 4, false},
        {{3, 4, true, {0}}, 12, false},
        {{3, 4, false, {0}}, 4, false},
    };
    struct buffer *buffer;
    assert_ok(device_allocate(device, PIXELS_IMAGE_MAX + 4, &buffer, &error));
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const struct view to = device_view(buffer, 1, cases[c].columns);
        const enum status status =
            device_upload_pixels(device, pixels, &cases[c].format, to, &error);
        if (cases[c].taken)
            assert_ok(status);
        else
            assert_fails(status, STATUS_FAILED, "upload_pixels: views (shape + offset");
    }
    buffer_free(buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_pixel_formats),
    };
    const struct device_options options = {.threads = 1};
    if (device_open("reference", &options, &device, &error) != STATUS_OK)
        return 1;
    const int failed = cmocka_run_group_tests_name("views", tests, NULL, NULL);
    device_close(device);
    return failed;
}
