#include "kernel_programs.h"

#include "device/gpu/gemm.h"
#include "device/gpu/program.h"
#include "step_shapes.h"

#include <stdio.h>

static void visit_gemms(void (*visit)(const struct kernel_program *program), int fused_reduction) {
    for (size_t t = 0; t < gemm_tiles_count; t++) {
        const struct gemm_tile *tile = &gemm_tiles[t];
        char own[GEMM_TILE_OPTIONS_SIZE], options[GPU_OPTIONS_SIZE];
        if (tile->vectors)
            continue; /* of a CPU */
        gemm_tile_options(tile, own);
        snprintf(options, sizeof options, "%s%s", own, fused_reduction ? " -DFUSED_REDUCTION" : "");
        const size_t items = gemm_tile_items(tile);
        const size_t sides = gemm_tile_rows(tile) + gemm_tile_columns(tile);
        visit(&(struct kernel_program){GEMM_KERNELS, tile->name,
            {"dense_forward", "dense_backward", "dense_update", NULL}, options, items, 2,
            sides * tile->tile_k / items});
    }
}

static void visit_steps(void (*visit)(const struct kernel_program *program), int together) {
    static const struct {
        const char *what;
        size_t batch, layers, widths[6];
        int gathered;
        enum optimizer optimizer;
    } nets[] = {{"default net", 300, 3, {1024, 64, 32, 10}, 0},
        {"default net, shuffled", 300, 3, {1024, 64, 32, 10}, 1},
        {"in colour", 1000, 3, {3072, 64, 32, 10}, 0}, {"one layer", 60, 1, {1024, 10}, 0},
        {"five layers", 300, 5, {1024, 100, 50, 40, 30, 10}, 1},
        {"default net, momentum", 300, 3, {1024, 64, 32, 10}, 0, OPTIMIZER_MOMENTUM},
        {"default net, adamw", 300, 3, {1024, 64, 32, 10}, 0, OPTIMIZER_ADAMW}};
    const struct gpu gpu = gpu_of("gpu", 132, 48 << 10);
    for (size_t n = 0; n < sizeof nets / sizeof *nets; n++) {
        struct step step =
            make_step(nets[n].batch, nets[n].layers, nets[n].widths, nets[n].gathered);
        optimize_by(&step, nets[n].optimizer);
        struct step_plan plan;
        if (step_plan_make(&gpu, &step, &plan))
            continue; /* the test step_plan sees that */
        visit(&(struct kernel_program){STEP_KERNELS, nets[n].what,
            {"step_weights", "step_samples", NULL}, plan.options, plan.weights_items, 2, 15});
        char options[GPU_OPTIONS_SIZE];
        snprintf(options, sizeof options, "%s%s", plan.options, STEP_TOGETHER);
        if (together && plan.together)
            visit(&(struct kernel_program){STEP_KERNELS, nets[n].what, {"step_epoch", NULL},
                options, plan.weights_items, 2, 15});
    }
}

void kernel_programs(void (*visit)(const struct kernel_program *program), int cuda) {
    char options[EPILOGUE_OPTIONS_SIZE];
    visit_gemms(visit, cuda);
    visit_steps(visit, cuda);
    gemms_epilogue_options(options);
    visit(&(struct kernel_program){EPILOGUE_KERNELS, "",
        {"dense_forward_epilogue", "dense_backward_epilogue", "dense_update_epilogue",
            "bias_update", NULL},
        options, 0, 0, 0});
    visit(&(struct kernel_program){"optimize.cl", "", {"optimize", NULL}, "", 0, 0, 0});
    visit(&(struct kernel_program){"draws.cl", "", {"dropout", "flip", NULL}, "", 0, 0, 0});
    visit(&(struct kernel_program){"clip.cl", "", {"square_sums", "clip", NULL}, "", 0, 0, 0});
    visit(&(struct kernel_program){"samples.cl", "",
        {"softmax_cross_entropy", "gather_rows", "convert_pixels", NULL}, "", 0, 0, 0});
}
