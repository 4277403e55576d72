#include "program/option_table.h"

#include <stddef.h>

static const char *const format_names[] = {[FORMAT_TABLE] = "table",
    [FORMAT_JSON] = "json",
    [FORMAT_CSV] = "csv",
    [FORMAT_MARKDOWN] = "markdown",
    NULL};

#define AT(member) offsetof(struct options, member)

const struct option_row option_rows[] = {
    {"device", OPTION_SPEC, KEPT_FIRM, AT(device), "SPEC",
        "what computes: a device of --list-devices, its kind for the best of that kind, gpu for\n"
        "the best GPU, or auto for the best that opens"},
    {"gemm", OPTION_TEXT, KEPT_FIRM, AT(gemm), "NAME",
        "what multiplies matrices, by a name that the device knows, where it has a choice;\n"
        "auto takes the fastest for each shape"},
    {"precision", OPTION_TEXT, KEPT_FIRM, AT(precision), "NAME",
        "of matrix products: fp32, or tf32, where what a library multiplies may be rounded\n"
        "to 10 bits, on a device that has it"},
    {"step", OPTION_TEXT, KEPT_FIRM, AT(step), "NAME",
        "where a device has the choice, a training step is done by kernels for whole steps\n"
        "(fused), or operation by operation (separate); auto takes the faster, or separate\n"
        "where --gemm names one"},
    {"submission", OPTION_TEXT, KEPT_FIRM, AT(submission), "NAME",
        "where a device has the choice, an epoch is submitted as one graph, if it can be, as\n"
        "one whose launches overlap (overlapped), as one launch (persistent), or call after\n"
        "call (stream); auto takes the fastest of the first three"},
    {"threads", OPTION_COUNT, KEPT_FIRM, AT(threads), "N",
        "threads of the host that compute (default: the number in --list-devices)", 1, 1024},
    {"communicator", OPTION_CHOICE, KEPT_NOT, AT(communicator), NULL,
        "the MPI by which ranks that mpirun or srun has started train together; auto takes the\n"
        "launcher's own, and none makes them runs that have nothing to do with each other",
        .names = communicator_library_names},
    {"exchange", OPTION_TEXT, KEPT_NOT, AT(exchange), "NAME",
        "how ranks exchange gradients: cpu and reference in memory that ranks on one host\n"
        "share (shared), or by MPI (mpi); cuda by NCCL, from GPU to GPU (nccl), or by MPI,\n"
        "through the hosts' memory (host); auto takes the first of these that there is"},
    {"exchange-timeout", OPTION_REAL, KEPT_NOT, AT(exchange_timeout), "SECONDS",
        "ranks end when one of them keeps the others waiting for so long; between the epochs,\n"
        "and before the first, for ten times as long",
        1e-3, 1e6},
    {"data", OPTION_TEXT, KEPT_FREE, AT(data), "DIR|synthetic",
        "the folder of CIFAR-10's binary version, or the built-in synthetic set\n"
        "(default: $TRAINER_DATA_DIR, else ~/.cache/trainer/cifar-10-batches-bin\n"
        "or its like in $XDG_CACHE_HOME, else synthetic)"},
    {"samples", OPTION_SIZE, KEPT_FIRM, AT(samples), "N",
        "use only the first N images of the training and of the test set (default: all)", 1,
        CIFAR10_TRAIN},
    {"epochs", OPTION_SIZE, KEPT_FREE, AT(plan.epochs), "N", "passes over the training set", 0,
        1000000},
    {"warm-up", OPTION_REAL, KEPT_FREE, AT(plan.warm_up), "SECONDS",
        "before the first epoch, run it for so long and keep nothing of it, so that the clocks\n"
        "of a device are up when it counts",
        0, 3600},
    {"batch-size", OPTION_SIZE, KEPT_FIRM, AT(plan.batch_size), "N", "samples of each step", 1,
        CIFAR10_TRAIN},
    {"layers", OPTION_LAYERS, KEPT_FIRM, AT(shape), "N,N,...|none", "widths of the hidden layers"},
    {"activation", OPTION_CHOICE, KEPT_FIRM, AT(shape.activation), NULL,
        "what the hidden layers apply to their sums", .names = activation_names,
        .first_name = ACTIVATION_SIGMOID},
    {"initial", OPTION_CHOICE, KEPT_FIRM, AT(shape.initial), NULL,
        "how the first weights are distributed: normal(0, 0.1), biases, too; or with a deviation\n"
        "of sqrt(2 / (inputs + outputs)) of a layer (glorot) or sqrt(2 / inputs) (he), biases 0",
        .names = initial_names},
    {"optimizer", OPTION_CHOICE, KEPT_FIRM, AT(plan.optimizer.method), NULL,
        "how a step follows from the gradient: as torch.optim.SGD and AdamW have it",
        .names = optimizer_names},
    {"momentum", OPTION_REAL, KEPT_FIRM, AT(plan.optimizer.momentum), "X",
        "sgd: what is left of the steps before; 0: plain gradient descent", 0, 1},
    {"nesterov", OPTION_FLAG, KEPT_FIRM, AT(plan.optimizer.nesterov), NULL,
        "sgd: look ahead by the momentum"},
    {"weight-decay", OPTION_REAL, KEPT_FIRM, AT(plan.optimizer.weight_decay), "X",
        "makes weights and biases smaller: sgd adds X times them to the gradient, adamw takes\n"
        "the learning rate times X times them off them",
        0, 1e6},
    {"beta1", OPTION_REAL, KEPT_FIRM, AT(plan.optimizer.beta1), "X",
        "adamw: what is left of the mean of the gradients before, less than 1", 0, 1},
    {"beta2", OPTION_REAL, KEPT_FIRM, AT(plan.optimizer.beta2), "X",
        "adamw: what is left of the mean of their squares before, less than 1", 0, 1},
    {"epsilon", OPTION_REAL, KEPT_FIRM, AT(plan.optimizer.epsilon), "X",
        "adamw: is added to the root of that mean", 0, 1},
    {"label-smoothing", OPTION_REAL, KEPT_FIRM, AT(shape.label_smoothing), "X",
        "train with labels of which the share X is divided among all classes alike", 0, 1},
    {"dropout", OPTION_REAL, KEPT_FIRM, AT(shape.dropout), "X",
        "in each step, set each output of a hidden layer to 0 with the probability X, less than "
        "1,\n"
        "and make the others larger by as much; the test does without",
        0, 1},
    {"clip-norm", OPTION_REAL, KEPT_FIRM, AT(shape.clip_norm), "X",
        "make a gradient whose norm is more than X shorter, to X; 0: leave it", 0, 1e30},
    {"learning-rate", OPTION_REAL, KEPT_FIRM, AT(plan.learning_rate), "X",
        "each step takes X times the gradient off the weights", 0, 1e6},
    {"schedule", OPTION_CHOICE, KEPT_FIRM, AT(plan.schedule), NULL,
        "how the learning rate changes, from step to step: constant; a tenth of it from one half\n"
        "of the run on and a hundredth from three quarters on (step); down to 0 as half a cosine\n"
        "wave, or as a line",
        .names = schedule_names},
    {"warmup-epochs", OPTION_SIZE, KEPT_FIRM, AT(plan.warm_up_epochs), "N",
        "the learning rate rises to its value in the first N epochs", 0, 1000000},
    {"validation", OPTION_SIZE, KEPT_FIRM, AT(plan.validation), "N",
        "hold the last N images of the training set back, and score them after every epoch", 0,
        CIFAR10_TRAIN - 1},
    {"target-accuracy", OPTION_REAL, KEPT_FREE, AT(plan.target_accuracy), "X",
        "end once the share of held-back images that are classified rightly is X; 0: at no share",
        0, 1},
    {"patience", OPTION_SIZE, KEPT_FREE, AT(plan.patience), "N",
        "end after N epochs in which that share was not better than before; 0: never", 0, 1000000},
    {"keep-best", OPTION_FLAG, KEPT_FIRM, AT(plan.keep_best), NULL,
        "test and save the weights of the epoch in which that share was best"},
    {"color", OPTION_CHOICE, KEPT_FIRM, AT(plan.color), NULL, "1024 grey or 3072 coloured inputs",
        .names = color_names},
    {"normalize", OPTION_FLAG, KEPT_FIRM, AT(plan.normalize), NULL,
        "scale each channel so that over the training set its mean is 0 and its deviation 1"},
    {"tail", OPTION_CHOICE, KEPT_FIRM, AT(plan.tail), NULL,
        "complete the last batch from the start of the data, take it short, or drop it",
        .names = tail_names},
    {"batches", OPTION_CHOICE, KEPT_FIRM, AT(plan.batches), NULL,
        "keep all batches on the device, or send each one when its turn comes;\n"
        "auto sends them if they don't fit",
        .names = batches_names},
    {"shuffle", OPTION_FLAG, KEPT_FIRM, AT(plan.shuffle), NULL,
        "take the samples in a new order each epoch"},
    {"flip", OPTION_FLAG, KEPT_FIRM, AT(plan.flip), NULL,
        "in each epoch turn each image left to right, or leave it, by chance"},
    {"seed", OPTION_SEED, KEPT_FIRM, AT(plan.seed), "N",
        "seed of the first weights, the order, chance and the synthetic set"},
    {"init", OPTION_TEXT, KEPT_NOT, AT(init), "FILE",
        "start from the weights in FILE (safetensors)"},
    {"save", OPTION_TEXT, KEPT_NOT, AT(save), "FILE",
        "write the weights to FILE at the end (safetensors)"},
    {"checkpoint", OPTION_TEXT, KEPT_NOT, AT(checkpoint), "FILE",
        "keep in FILE (safetensors) what a run needs to go on when it is interrupted"},
    {"checkpoint-every", OPTION_SIZE, KEPT_FREE, AT(checkpoint_every), "N",
        "write it after every N epochs; and at the end, and when interrupted", 1, 1000000},
    {"resume", OPTION_TEXT, KEPT_NOT, AT(resume), "FILE",
        "go on from a checkpoint, with its options, and keep it up to date\n"
        "(or --checkpoint, if that is given)"},
    {"log", OPTION_TEXT, KEPT_NOT, AT(log), "FILE",
        "append a line of JSON to FILE for each epoch, as it ends"},
    {"format", OPTION_CHOICE, KEPT_NOT, AT(format), NULL, "what is printed on standard output",
        .names = format_names},
    {"dry-run", OPTION_FLAG, KEPT_NOT, AT(dry_run), NULL,
        "print the plan of the run and the memory that it needs, and do no more"},
    {"quiet", OPTION_FLAG, KEPT_NOT, AT(quiet), NULL,
        "print no progress and no notes on standard error"},
    {"peak", OPTION_ACTION, KEPT_NOT, AT(action), NULL,
        "measure, instead of training, what the device reaches at best: the rate of one large\n"
        "product, and the bandwidth of a large copy",
        ACTION_PEAK},
    {"list-devices", OPTION_ACTION, KEPT_NOT, AT(action), NULL,
        "list the devices, and for each one that is missing, why", ACTION_LIST_DEVICES},
    {"version", OPTION_ACTION, KEPT_NOT, AT(action), NULL,
        "print version, commit, compiler and flags, and each device's library", ACTION_VERSION},
    {"help", OPTION_ACTION, KEPT_NOT, AT(action), NULL, "print this (also -h)", ACTION_HELP},
};

enum { ROWS = sizeof option_rows / sizeof *option_rows };
_Static_assert((int)ROWS <= (int)OPTIONS_MAX, "all of them have room");
const size_t option_rows_count = ROWS;

const struct options option_defaults = {
    .device = "auto",
    .gemm = "auto",
    .precision = "fp32",
    .step = "auto",
    .submission = "auto",
    .shape = {.layers = 3,
        .widths = {CIFAR10_PLANE, 64, 32, CIFAR10_CLASSES},
        .activation = ACTIVATION_SIGMOID},
    .checkpoint_every = 1,
    .exchange = "auto",
    .exchange_timeout = 60,
    .plan = {.epochs = 5,
        .batch_size = 300,
        .learning_rate = 0.01,
        .optimizer = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
        .seed = 1},
};
