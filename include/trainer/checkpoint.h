/* Weights in files: safetensors, as PyTorch would name and lay them out for
 * nn.Sequential(Linear, activation, Linear, ..., Linear): layer l is "2l.weight" [out, in] and
 * "2l.bias" [out], float32, so that model.load_state_dict(load_file(path)) just works, both ways.
 * The format: https://huggingface.co/docs/safetensors */
#ifndef TRAINER_CHECKPOINT_H
#define TRAINER_CHECKPOINT_H

#include "trainer/network.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes parameters (see network.h) to `path`, replacing it only once the new file is whole.
 * STATUS_FAILED, naming the path and why, when it can't be written. */
enum status checkpoint_save(const char *path, const struct network_shape *shape,
    const float *parameters, struct error *error);

/* Whether checkpoint_save will find a place at `path`: to be asked before hours of training. */
enum status checkpoint_check_path(const char *path, struct error *error);

/* Fills parameters[network_parameters_length] from the file at `path`. STATUS_CHECKPOINT, naming
 * what is wrong and the tensor, when it can't be read, is not whole, or does not hold exactly the
 * network's tensors with finite values. Reads no more than the network needs. */
enum status checkpoint_load(
    const char *path, const struct network_shape *shape, float *parameters, struct error *error);

#ifdef __cplusplus
}
#endif
#endif
