/* Weights and runs in files: safetensors (https://huggingface.co/docs/safetensors).
 *
 * The weights are named and laid out as PyTorch has them for nn.Sequential(Linear, activation,
 * Linear, ..., Linear): layer l is "2l.weight" [out, in] and "2l.bias" [out], float32, so that
 * model.load_state_dict(load_file(path)) just works, both ways.
 *
 * A file that is to continue a run, a checkpoint, has besides
 * - "trainer.epochs" F64 [epochs done, 3]: seconds, loss and accuracy of each;
 * - "trainer.scores" F32 [samples done, 2] of an epoch that was interrupted, as of network_train;
 *   each of the two only where there is any;
 * - metadata, all of it text: "trainer.epochs", "trainer.batches" and "trainer.samples", the
 *   numbers done (the latter two of the interrupted epoch), "trainer.seconds", those that they
 *   took, "trainer.generator", "trainer.choices", what the device has chosen (device_choices), if
 *   anything, and the settings of the run under their own names.
 * The generator (random.h) is counter-based: its position is the seed, which is a setting, and the
 * number of epochs done.
 */
#ifndef TRAINER_CHECKPOINT_H
#define TRAINER_CHECKPOINT_H

#include "trainer/training.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Saving -------------------------------------------------------------------------------- */

/* What a run was started with, or anything else that is to be found again. */
struct checkpoint_setting {
    char name[24];
    char value[1024]; /* UTF-8; one that is not is left out */
};

/* What a checkpoint has besides the weights. */
struct checkpoint_run {
    const struct checkpoint_setting *settings;
    size_t settings_count;
    const struct training_position *position;
    const char *choices; /* of the device, see device_choices; NULL or empty: none */
};

/* A place for a file, to be asked for before hours of training. */
struct reservation;

/* Reserves a place at `path` for the weights of a network, and for a run of up to so many epochs
 * and samples of an epoch that was interrupted (0 and 0: only weights). All that saving will take
 * is tried: the room, a temporary file in the same folder, its renaming. Until
 * checkpoint_close_place nobody else gets the path: neither another process nor this one. What
 * saving to `path` left there when a process was killed in the midst of it is removed.
 * STATUS_USAGE, naming the process, when another one has the path; STATUS_FAILED, naming the path
 * and why, when it can't be written. The caller ends it with checkpoint_close_place (NULL is fine).
 */
enum status checkpoint_reserve(const char *path, const struct network_shape *shape, size_t epochs,
    size_t samples, struct reservation **place, struct error *error);
void checkpoint_close_place(struct reservation *place);

/* Writes parameters (see network.h), and a run unless it is NULL, to the path that was reserved,
 * and reserves the place for the next time. They are written to the temporary file and synced
 * before that is renamed over the path, and the folder is synced after: the file that was there
 * stays until the new one is whole, which has its mode, group and owner (where that may be).
 * STATUS_FAILED, naming the path and why, when it can't be written. STATUS_DIVERGED when a
 * parameter is not finite: such a file would not be loaded again, so that the one that is there is
 * kept. */
enum status checkpoint_save(struct reservation *place, const struct network_shape *shape,
    const float *parameters, const struct checkpoint_run *run, struct error *error);

/* The same for the last time: what can't be written to the path is kept elsewhere, under a new
 * name, PATH.kept-1 or the next that is free, or one like it in the folder for temporary files. It
 * is STATUS_FAILED all the same; the error says which. */
enum status checkpoint_save_last(struct reservation *place, const struct network_shape *shape,
    const float *parameters, const struct checkpoint_run *run, struct error *error);

/* --- Loading ------------------------------------------------------------------------------- */

/* An open file. It stays the same file when another one is renamed over its path. */
struct checkpoint;

/* Opens the file at `path` and reads its header, of at most 100 MB. STATUS_CHECKPOINT, naming the
 * path and the offset, when there is no such file or header. The caller ends it with
 * checkpoint_close (NULL is fine). */
enum status checkpoint_open(const char *path, struct checkpoint **checkpoint, struct error *error);
void checkpoint_close(struct checkpoint *checkpoint);

/* Whether the file at its path is still this one, and none that was renamed over it. */
bool checkpoint_is_current(const struct checkpoint *checkpoint);

/* The name of the epochs done in the metadata. */
#define CHECKPOINT_EPOCHS "trainer.epochs"
/* And of what the device has chosen, for device_options.choices. */
#define CHECKPOINT_CHOICES "trainer.choices"

/* A text of the metadata, which lives as long as the checkpoint; NULL: it has none of this name. */
const char *checkpoint_setting(const struct checkpoint *checkpoint, const char *name);

/* Whether every tensor of the file has a name that checkpoint_save gives: of a layer, or of a run.
 */
bool checkpoint_is_ours(const struct checkpoint *checkpoint);

/* Fills parameters[network_parameters_length]. Sizes are compared with the network's before
 * anything is allocated, and no more is read than it needs. STATUS_CHECKPOINT, naming what is
 * wrong, the tensor and the offset, unless the file holds exactly the network's tensors (and those
 * of a run), one after another with no hole, no overlap and nothing after them, and all values are
 * finite. */
enum status checkpoint_load(struct checkpoint *checkpoint, const struct network_shape *shape,
    float *parameters, struct error *error);

/* Fills `position`, which the caller ends with training_position_free whatever is returned.
 * STATUS_CHECKPOINT, as of checkpoint_load, and when the file has no run: only weights. */
enum status checkpoint_load_position(struct checkpoint *checkpoint,
    const struct network_shape *shape, struct training_position *position, struct error *error);

#ifdef __cplusplus
}
#endif
#endif
