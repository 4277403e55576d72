/* Weights and runs in files of the format safetensors (https://huggingface.co/docs/safetensors).
 *
 * The weights are named and laid out as PyTorch does for nn.Sequential(Linear, activation, Linear,
 * ..., Linear): layer l has "2l.weight" [out, in] and "2l.bias" [out], float32. So
 * model.load_state_dict(load_file(path)) reads our files, and PyTorch's files can be loaded here.
 *
 * The metadata of what the program saves has "trainer.activation" and "trainer.color", the
 * names of the options; and "trainer.means" and "trainer.deviations" where images were scaled by
 * them.
 *
 * A checkpoint is a file from which a run can continue. Besides the weights it has
 * - the states of the optimiser, as tensors with a prefix before the names of the weights:
 *   "trainer.momentum_buffer." of sgd with momentum or weight decay, "trainer.exp_avg." and
 *   "trainer.exp_avg_sq." of adamw, which are torch.optim's names;
 * - the best parameters so far, where a run keeps them: "trainer.best." before those names;
 * - the tensor "trainer.epochs", F64 [epochs done, 3]: seconds, loss and accuracy of each epoch;
 *   none when no epoch is done; and "trainer.validation", F64 [epochs done, 3], the same of the
 *   images that are held back, in runs with such;
 * - the tensor "trainer.scores", F32 [samples done, 2]: the scores, as of network_train, of the
 *   epoch that was interrupted; none when no epoch was;
 * - metadata, all of it text: "trainer.epochs", the number of epochs done; "trainer.batches" and
 *   "trainer.samples", the numbers done of the interrupted epoch, and "trainer.seconds", the time
 *   they took; "trainer.generator", the name of the random number generator; "trainer.choices", the
 *   choices of the device (device_choices), if there are any; and the settings of the run under
 *   their own names.
 *
 * The generator (random.h) is counter-based and has no state to save: the seed, which is a setting,
 * and the number of epochs done are enough. */
#ifndef TRAINER_CHECKPOINT_H
#define TRAINER_CHECKPOINT_H

#include "trainer/training.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Saving -------------------------------------------------------------------------------- */

/* A setting of a run, or any other text that is to be found in the checkpoint again. */
struct checkpoint_setting {
    char name[24];
    char value[1024]; /* UTF-8; a value that is not is not written */
};

/* What is written to a checkpoint besides the weights. */
struct checkpoint_run {
    const struct checkpoint_setting *settings;
    size_t settings_count;
    const struct training_position *position; /* NULL: it is no run, only settings beside weights */
    const char *choices; /* of the device (device_choices); NULL or empty: none */
};

/* A place that is reserved for a file before hours of training, so that saving will not fail at the
 * end. */
struct reservation;

/* Reserves a place at `path` for the weights of a network, and for a run by this plan, with up to
 * `samples` samples of an interrupted epoch. Without a plan there is room for weights alone.
 * Everything that saving will do is tried now: taking the room, making a temporary file in the same
 * folder, renaming it. Until checkpoint_close_place the path belongs to this reservation: no other
 * process can reserve it, nor this one again. Temporary files of processes that were killed while
 * they saved to `path` are removed. STATUS_USAGE, naming the process, when another process has the
 * path; STATUS_FAILED, naming the path and why, when it can't be written. The caller ends the place
 * with checkpoint_close_place (NULL is fine). */
enum status checkpoint_reserve(const char *path, const struct network_shape *shape,
    const struct training_plan *plan, size_t samples, struct reservation **place,
    struct error *error);
void checkpoint_close_place(struct reservation *place);

/* Writes the parameters (see network.h), and the states and the run unless `run` is NULL or has no
 * position, to the reserved path. Then it reserves the place again for the next time. The data are
 * written to the temporary file and synced, that file is renamed over the path, and its folder is
 * synced. So the old file stays until the new one is whole. The new file has the mode of the old
 * one, and its group and owner where the system allows it. STATUS_FAILED, naming the path and why,
 * when it can't be written. STATUS_DIVERGED when a parameter is not finite: such a file could not
 * be loaded, so the old one is kept. */
enum status checkpoint_save(struct reservation *place, const struct network_shape *shape,
    const float *parameters, const struct checkpoint_run *run, struct error *error);

/* As checkpoint_save, for the last time. When the path can't be written, the file is kept
 * elsewhere: beside it as PATH.kept-1, or the next number that is free, or else under such a name
 * in the folder for temporary files. The status is STATUS_FAILED nevertheless, and the error says
 * where the file is. */
enum status checkpoint_save_last(struct reservation *place, const struct network_shape *shape,
    const float *parameters, const struct checkpoint_run *run, struct error *error);

/* --- Loading ------------------------------------------------------------------------------- */

/* An open weights file. It stays the same file when another one is renamed over its path. */
struct checkpoint;

/* Opens the file at `path` and reads its header, which may have up to 100 MB. STATUS_CHECKPOINT,
 * naming the path and the offset, when there is no such file or its header is damaged. The caller
 * ends it with checkpoint_close (NULL is fine). */
enum status checkpoint_open(const char *path, struct checkpoint **checkpoint, struct error *error);
/* The same in all ranks (NULL: there are no others): rank 0 reads the file, of which the others get
 * a copy. All have the same outcome. */
enum status checkpoint_open_together(struct communicator *communicator, const char *path,
    struct checkpoint **checkpoint, struct error *error);
void checkpoint_close(struct checkpoint *checkpoint);

/* Whether the file at the path is still this one. It is not once another file has been renamed over
 * it. */
bool checkpoint_is_current(const struct checkpoint *checkpoint);

/* The metadata's name of the number of epochs done. */
#define CHECKPOINT_EPOCHS "trainer.epochs"
/* The metadata's name of the device's choices, for device_options.choices. */
#define CHECKPOINT_CHOICES "trainer.choices"

/* The text of this name in the metadata. It lives as long as the checkpoint. NULL when there is
 * none. */
const char *checkpoint_setting(const struct checkpoint *checkpoint, const char *name);

/* Whether every tensor of the file has a name that checkpoint_save gives to a layer or to a part of
 * a run. */
bool checkpoint_is_ours(const struct checkpoint *checkpoint);

/* Fills parameters[network_length]: the parameters, and 0 for the states. The sizes in the file are
 * compared with the network's first, so no more is allocated and read than the network needs.
 * STATUS_CHECKPOINT, naming the tensor, the offset and what is wrong, unless all of this holds: the
 * file has exactly the tensors of the network and of its run, one after another, with no hole, no
 * overlap and nothing after them, and all values are finite. */
enum status checkpoint_load(struct checkpoint *checkpoint, const struct network_shape *shape,
    float *parameters, struct error *error);

/* Fills the states of the optimiser in parameters[network_length], and nothing else of it.
 * STATUS_CHECKPOINT as of checkpoint_load, and when the file has those of another optimiser. */
enum status checkpoint_load_states(struct checkpoint *checkpoint, const struct network_shape *shape,
    float *parameters, struct error *error);

/* Fills `position` with where the run of the file stands. The caller ends it with
 * training_position_free, whatever is returned. STATUS_CHECKPOINT as of checkpoint_load, and when
 * the file has weights but no run. */
enum status checkpoint_load_position(struct checkpoint *checkpoint,
    const struct network_shape *shape, struct training_position *position, struct error *error);

#ifdef __cplusplus
}
#endif
#endif
