/* Every kernel compiled as CUDA C++ by NVRTC, as the `cuda` device does it, down to machine code
 * for GPUs from 2018 to 2025; and what comes of it: registers, loads, precision. This needs the
 * CUDA toolkit, and no GPU. */
#include "device/cuda/compiler.h"
#include "device/gpu/kernel_text.h"
#include "device/gpu/program.h"
#include "kernel_programs.h"
#include "support.h"

#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of those in the first list, the code is only made; of those in the second, it is looked at. */
static const int capabilities[] = {86, 89}, examined[] = {75, 80, 90, 100, 120};

static struct error error;

static bool is_supported(int capability) {
    int count, supported[64];
    assert_int_equal(nvrtcGetNumSupportedArchs(&count), NVRTC_SUCCESS);
    assert_in_range(count, 1, 64);
    assert_int_equal(nvrtcGetSupportedArchs(supported), NVRTC_SUCCESS);
    for (int a = 0; a < count; a++)
        if (supported[a] == capability)
            return true;
    print_message("sm_%d: not in this toolkit\n", capability);
    return false;
}

/* `kernels`: the names that must be in the machine code, up to a NULL. */
static void compile(const char *file, const char *defines, const char *const *kernels) {
    const char *text = kernel_text(file);
    char options[GPU_OPTIONS_SIZE];
    gpu_program_options("", defines, options, sizeof options);
    for (size_t c = 0; c < sizeof capabilities / sizeof *capabilities; c++) {
        if (!is_supported(capabilities[c]))
            continue;
        void *code;
        size_t length;
        assert_ok(cuda_compile(file, text, options, capabilities[c], &code, &length, &error));
        assert_true(length > 4 && memcmp(code, "\177ELF", 4) == 0);
        for (const char *const *kernel = kernels; *kernel; kernel++)
            if (!memmem(code, length, *kernel, strlen(*kernel)))
                fail_msg("%s, sm_%d: there is no %s", file, capabilities[c], *kernel);
        print_message("%s, sm_%d: %zu bytes\n", file, capabilities[c], length);
        free(code);
    }
}

static void compile_program(const struct kernel_program *program) {
    print_message("%s %s: %s\n", program->file, program->what, program->options);
    compile(program->file, program->options, program->kernels);
}

static void test_programs(void **state) {
    (void)state;
    kernel_programs(compile_program, 1);
}

/* --- The code --- */

/* Compiles with one more option; gives what `get` gives of it, a text. The caller frees it. */
static char *ask(const struct kernel_program *program, const char *architecture, const char *more,
    nvrtcResult (*size_of)(nvrtcProgram, size_t *), nvrtcResult (*get)(nvrtcProgram, char *)) {
    char options[GPU_OPTIONS_SIZE];
    const char *words[64] = {architecture, more};
    int count = 2;
    size_t length;
    nvrtcProgram compiled;
    gpu_program_options("", program->options, options, sizeof options);
    for (char *word = strtok(options, " "); word; word = strtok(NULL, " "))
        words[count++] = word;
    assert_int_equal(
        nvrtcCreateProgram(&compiled, kernel_text(program->file), program->file, 0, NULL, NULL),
        NVRTC_SUCCESS);
    assert_int_equal(nvrtcCompileProgram(compiled, count, words), NVRTC_SUCCESS);
    assert_int_equal(size_of(compiled, &length), NVRTC_SUCCESS);
    char *text = calloc(1, length + 1);
    assert_int_equal(get(compiled, text), NVRTC_SUCCESS);
    nvrtcDestroyProgram(&compiled);
    return text;
}

/* Of each kernel, what ptxas says: nothing is spilled to memory, and as many groups as are planned
 * find registers on a unit, which has 65,536. */
static void check_registers(const struct kernel_program *program) {
    enum { REGISTERS = 65536, UNIT = 8 }; /* they are handed out in eights */
    for (size_t c = 0; c < sizeof examined / sizeof *examined; c++) {
        if (!is_supported(examined[c]))
            continue;
        char architecture[48];
        snprintf(architecture, sizeof architecture, "--gpu-architecture=sm_%d", examined[c]);
        char *log = ask(program, architecture, "--ptxas-options=-v", nvrtcGetProgramLogSize,
            nvrtcGetProgramLog);
        for (const char *const *kernel = program->kernels; *kernel; kernel++) {
            char entry[80];
            snprintf(entry, sizeof entry, "Compiling entry function '%s'", *kernel);
            const char *of_kernel = strstr(log, entry);
            assert_non_null(of_kernel);
            const char *frame = strstr(of_kernel, "bytes stack frame, "), *used;
            unsigned stores = 1, loads = 1, registers = 0;
            assert_non_null(frame);
            assert_int_equal(sscanf(frame, "bytes stack frame, %u bytes spill stores, %u bytes",
                                 &stores, &loads),
                2);
            used = strstr(frame, "Used ");
            assert_non_null(used);
            assert_int_equal(sscanf(used, "Used %u registers", &registers), 1);
            print_message("%s %s, sm_%d: %s: %u registers\n", program->file, program->what,
                examined[c], *kernel, registers);
            if (stores > 0 || loads > 0 || frame[-2] != '0' || frame[-3] != ' ')
                fail_msg("%s, sm_%d: %s spills", program->what, examined[c], *kernel);
            const size_t each = (registers + UNIT - 1) / UNIT * UNIT * program->items;
            if (program->groups > 0 && each * program->groups > REGISTERS)
                fail_msg("%s, sm_%d: %s has %u registers: %zu groups do not fit", program->what,
                    examined[c], *kernel, registers, program->groups);
        }
        free(log);
    }
}

static size_t count_before(const char *text, const char *end, const char *what) {
    size_t count = 0;
    for (const char *found = strstr(text, what); found && found < end;
        found = strstr(found + 1, what))
        count++;
    return count;
}

/* A kernel of whole steps waits for the launches before it, and then lets the next one begin.
 * Before that, step_weights has the loads of its inputs under way, and step_samples reads nothing.
 * No kernel writes anything. Those of single operations know nothing of overlapping. */
static void check_overlap(const char *kernel, const char *from, const char *end) {
    const char *wait = strstr(from, "griddepcontrol.wait");
    const char *next = strstr(from, "griddepcontrol.launch_dependents");
    if (strncmp(kernel, "step_", strlen("step_")) != 0) {
        assert_int_equal(count_before(from, end, "griddepcontrol"), 0);
        return;
    }
    assert_true(wait && next && wait < next && next < end);
    assert_int_equal(count_before(from, next, "st.global"), 0);
    const size_t loads = count_before(from, next, "ld.global");
    print_message("%s: %zu loads before it waits\n", kernel, loads);
    assert_true(strcmp(kernel, "step_samples") == 0 ? loads == 0 : loads >= 8);
}

/* step_epoch waits for all groups at three places: for the tiles of the first layer, for those of
 * the others, and for the samples. A group's writes are there before it says that it is; what the
 * others have written is read after; and for the first layer, loads of inputs are under way before.
 * None of the loads is of what never changes (ld.global.nc). */
static void check_arrivals(const char *from, const char *end) {
    size_t waits = 0, most = 0;
    assert_int_equal(count_before(from, end, "ld.global.nc"), 0);
    assert_int_equal(count_before(from, end, "griddepcontrol"), 0);
    for (const char *arrives, *at = from; (arrives = strstr(at, "atom.")) && arrives < end;) {
        const char *next = strstr(arrives, "bar.sync"), *before = NULL;
        for (const char *found = at; (found = strstr(found, "bar.sync")) && found < arrives;
            found++)
            before = found;
        assert_true(before && next);
        assert_int_equal(count_before(before, arrives, "membar.gl"), 1);
        assert_int_equal(count_before(arrives, next, "membar.gl"), 1);
        const size_t loads = count_before(at, before, "ld.global");
        most = loads > most ? loads : most;
        waits++;
        at = next;
    }
    print_message("step_epoch: %zu waits, %zu loads before one\n", waits, most);
    assert_int_equal(waits, 3);
    assert_true(most >= 8);
}

/* Of each kernel, its PTX: all loads of a part are under way before the first is stored to shared
 * memory; this is read by 128 bits; and nothing is in double precision. */
static void check_loads(const struct kernel_program *program) {
    char *ptx = ask(program, "--gpu-architecture=compute_90", "--device-as-default-execution-space",
        nvrtcGetPTXSize, nvrtcGetPTX);
    for (const char *const *kernel = program->kernels; *kernel; kernel++) {
        char entry[80];
        snprintf(entry, sizeof entry, ".entry %s(", *kernel);
        const char *of_kernel = strstr(ptx, entry);
        assert_non_null(of_kernel);
        const char *end = strstr(of_kernel + 1, ".entry ");
        end = end ? end : ptx + strlen(ptx);
        assert_int_equal(count_before(of_kernel, end, ".f64"), 0);
        if (strcmp(*kernel, "step_epoch") == 0)
            check_arrivals(of_kernel, end);
        else
            check_overlap(*kernel, of_kernel, end);
        const char *first = strstr(of_kernel, "st.shared");
        if (program->loads == 0)
            continue;
        assert_non_null(first);
        const size_t loads = count_before(of_kernel, first, "ld.global");
        print_message("%s %s: %s: %zu loads before the first is stored\n", program->file,
            program->what, *kernel, loads);
        if (loads < program->loads)
            fail_msg("%s: %s: %zu loads, not %zu", program->what, *kernel, loads, program->loads);
        if (strcmp(*kernel, "step_samples") != 0) /* whose rows are read by many items at once */
            assert_true(count_before(of_kernel, end, "ld.shared.v4.f32") >= 4);
    }
    free(ptx);
}

static void test_registers(void **state) {
    (void)state;
    kernel_programs(check_registers, 1);
}

static void test_loads(void **state) {
    (void)state;
    kernel_programs(check_loads, 1);
}

/* A GPU that NVRTC does not know yet gets PTX of the newest that it knows; one that is too old gets
 * nothing, and the message says so. */
static void test_unknown(void **state) {
    (void)state;
    const char *text = kernel_text("samples.cl");
    char *code;
    size_t length;
    assert_ok(cuda_compile("samples.cl", text, "", 999, (void **)&code, &length, &error));
    assert_true(code[length - 1] == '\0' && strstr(code, ".entry softmax_cross_entropy"));
    free(code);
    assert_fails(cuda_compile("samples.cl", text, "", 35, (void **)&code, &length, &error),
        STATUS_DEVICE, "compute capability is 3.5");
}

static void test_wrong_text(void **state) {
    (void)state;
    void *code;
    size_t length;
    assert_fails(cuda_compile("wrong.cl", "KERNEL(wrong)", "-DX=1", 90, &code, &length, &error),
        STATUS_DEVICE, "NVRTC_ERROR_COMPILATION");
    assert_non_null(strstr(error.message, "wrong.cl(1): error"));
    assert_non_null(strstr(error.message, "--gpu-architecture=sm_90 -DX=1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_loads),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_wrong_text),
    };
    return cmocka_run_group_tests_name("nvrtc", tests, NULL, NULL);
}
