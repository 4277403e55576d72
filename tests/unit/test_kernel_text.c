/* The texts of the kernels, as they are part of the program: whole, and by #line each line is said
 * to be what it is in kernels/. */
#include "device/gpu/kernel_text.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 256, LINES = 1000 };

struct file {
    char name[64];
    char lines[LINES][LINE];
    int count;
};

static void read_kernel_file(const char *name, struct file *file) {
    char path[1024];
    snprintf(file->name, sizeof file->name, "%s", name);
    snprintf(path, sizeof path, "%s/%s", TEST_KERNELS, name);
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    for (file->count = 0; fgets(file->lines[file->count], LINE, stream); file->count++)
        assert_true(file->count < LINES - 1);
    fclose(stream);
}

/* Walks the text as a compiler does, and compares each line with the one that it is said to be. */
static void check(const char *name) {
    static struct file own, included;
    char line[LINE];
    const char *text = kernel_text(name);
    assert_non_null(text);
    read_kernel_file(name, &own);
    int next = 0, includes = 0, own_lines = 0; /* `next` counts from 0, and #line from 1 */
    const struct file *file = &own;
    while (*text) {
        const size_t length = strcspn(text, "\n") + 1;
        char of[64];
        int number;
        assert_true(length < LINE);
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        text += length;
        if (sscanf(line, "#line %d \"%63[^\"]\"", &number, of) == 2) {
            file = strcmp(of, name) == 0 ? &own : &included;
            if (file == &included) {
                read_kernel_file(of, &included);
                includes++;
            }
            next = number - 1;
            continue;
        }
        assert_true(next < file->count);
        if (strcmp(line, file->lines[next]) != 0)
            fail_msg("%s: %s:%d is \"%s\", and not \"%s\"", name, file->name, next + 1,
                file->lines[next], line);
        next++;
        own_lines += file == &own;
    }
    assert_true(file == &own && next == own.count);
    assert_true(includes > 0);
    assert_int_equal(own_lines + includes, own.count); /* all but the #include lines */
}

static void test_texts(void **state) {
    (void)state;
    check("gemm.cl");
    check("epilogue.cl");
    check("samples.cl");
}

static void test_unknown(void **state) {
    (void)state;
    assert_null(kernel_text("unknown.cl"));
    assert_null(kernel_text("dialect.h")); /* which is part of others */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests_name("kernel texts", tests, NULL, NULL);
}
