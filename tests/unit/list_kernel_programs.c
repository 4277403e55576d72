/* Prints the programs of kernels that an OpenCL GPU's device compiles, a line each: the file, what
 * it is for, the options, and the kernels, with tabs between. tests/program/amd_code.py compiles
 * them. */
#include "device/gpu/program.h"
#include "kernel_programs.h"

#include <stdio.h>

static void print(const struct kernel_program *program) {
    char options[GPU_OPTIONS_SIZE];
    gpu_program_options(OPENCL_LANGUAGE, program->options, options, sizeof options);
    printf("%s\t%s\t%s\t", program->file, program->what, options);
    for (const char *const *kernel = program->kernels; *kernel; kernel++)
        printf("%s%s", *kernel, kernel[1] ? " " : "\n");
}

int main(void) {
    kernel_programs(print, 0);
    return 0;
}
