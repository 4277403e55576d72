#include "trainer/checkpoint.h"

#include "system/file.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A safetensors file: the header's length (8 bytes), the header (JSON), then the data. */
enum { LENGTH_BYTES = 8, HEADER_LIMIT = 64 * 1024 };

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors files are little-endian");

/* One tensor of the file and what it is to the network. Even ones are weights, odd ones biases. */
struct tensor {
    char name[32];
    size_t out, in; /* [out, in] of a weight; in is 1 for a bias, which is [out] */
    bool is_bias;
    size_t parameter; /* where it starts in the parameters */
    size_t begin;     /* where it starts in the file's data, in bytes */
};

static size_t tensor_bytes(const struct tensor *tensor) {
    return tensor->out * tensor->in * sizeof(float);
}

static struct tensor tensor_of(const struct network_shape *shape, size_t index) {
    const size_t layer = index / 2;
    struct tensor tensor = {.out = shape->widths[layer + 1], .is_bias = index % 2 == 1};
    tensor.in = tensor.is_bias ? 1 : shape->widths[layer];
    tensor.parameter =
        tensor.is_bias ? network_bias_offset(shape, layer) : network_weights_offset(shape, layer);
    snprintf(
        tensor.name, sizeof tensor.name, "%zu.%s", 2 * layer, tensor.is_bias ? "bias" : "weight");
    return tensor;
}

/* All tensors, as they lie in a file of ours, one after another; NULL when memory is refused. */
static struct tensor *make_tensors(const struct network_shape *shape, size_t *data_bytes) {
    struct tensor *tensors = malloc(2 * shape->layers * sizeof *tensors);
    *data_bytes = 0;
    for (size_t t = 0; tensors && t < 2 * shape->layers; t++) {
        tensors[t] = tensor_of(shape, t);
        tensors[t].begin = *data_bytes;
        *data_bytes += tensor_bytes(&tensors[t]);
    }
    return tensors;
}

/* --- Saving --- */

static json_t *describe_tensor(const struct tensor *tensor) {
    json_t *shape = tensor->is_bias
                        ? json_pack("[I]", (json_int_t)tensor->out)
                        : json_pack("[I, I]", (json_int_t)tensor->out, (json_int_t)tensor->in);
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape, "data_offsets",
        (json_int_t)tensor->begin, (json_int_t)(tensor->begin + tensor_bytes(tensor)));
}

/* The header with spaces to a multiple of 8, so that the data is aligned; ended by free(). */
static char *make_header(const struct tensor *tensors, size_t count, size_t *length) {
    json_t *root = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    int failed = root == NULL;
    for (size_t t = 0; t < count; t++)
        failed |= json_object_set_new(root, tensors[t].name, describe_tensor(&tensors[t]));
    char *text = failed ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!text)
        return NULL;
    const size_t used = strlen(text);
    *length = (used + 7) / 8 * 8;
    char *header = malloc(*length);
    if (header) {
        memset(header, ' ', *length);
        memcpy(header, text, used);
    }
    free(text);
    return header;
}

/* The file has [out, in], the network [in, out]. */
static void transpose(const float *from, size_t rows, size_t columns, float *to) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            to[j * rows + i] = from[i * columns + j];
}

enum status checkpoint_save(const char *path, const struct network_shape *shape,
    const float *parameters, struct error *error) {
    size_t data_bytes, header_length = 0;
    const size_t count = 2 * shape->layers;
    struct tensor *tensors = make_tensors(shape, &data_bytes);
    char *header = tensors ? make_header(tensors, count, &header_length) : NULL;
    float *data = malloc(data_bytes);
    enum status status = STATUS_OK;
    if (!header || !data)
        status = error_memory(error, "saving the weights", data_bytes);
    for (size_t t = 0; t < count && status == STATUS_OK; t++)
        transpose(parameters + tensors[t].parameter, tensors[t].in, tensors[t].out,
            data + tensors[t].begin / sizeof *data);
    const uint64_t length = header_length;
    const struct file_part parts[] = {
        {&length, sizeof length}, {header, header_length}, {data, data_bytes}};
    if (status == STATUS_OK)
        status = file_replace(path, parts, 3, error);
    free(tensors);
    free(header);
    free(data);
    return status;
}

enum status checkpoint_check_path(const char *path, struct error *error) {
    return file_check_writable(path, error);
}

/* --- Loading --- */

/* A file being read. */
struct reader {
    const char *path;
    int descriptor;
    uint64_t bytes; /* of the file */
    struct error *error;
};

static enum status read_at(struct reader *reader, uint64_t offset, void *to, size_t bytes) {
    int reason;
    const size_t got = file_read_at(reader->descriptor, offset, to, bytes, &reason);
    return got == bytes
               ? STATUS_OK
               : error_set(reader->error, STATUS_CHECKPOINT, "%s: offset %" PRIu64 ": %s",
                     reader->path, offset + got, reason ? strerror(reason) : "the file ends here");
}

static enum status open_reader(struct reader *reader) {
    const char *problem;
    int reason;
    reader->descriptor = file_open_regular(reader->path, &reader->bytes, &problem, &reason);
    return reader->descriptor >= 0
               ? STATUS_OK
               : error_set(reader->error, STATUS_CHECKPOINT, "%s: %s; expected a safetensors file",
                     reader->path, problem);
}

/* Reads and parses the header; where the data starts goes to `data_start`. */
static enum status read_header(struct reader *reader, json_t **header, uint64_t *data_start) {
    uint64_t length;
    if (reader->bytes < LENGTH_BYTES)
        return error_set(reader->error, STATUS_CHECKPOINT,
            "%s: %" PRIu64 " bytes are too few for a safetensors file", reader->path,
            reader->bytes);
    enum status status = read_at(reader, 0, &length, sizeof length);
    if (status != STATUS_OK)
        return status;
    if (length > HEADER_LIMIT || length > reader->bytes - LENGTH_BYTES)
        return error_set(reader->error, STATUS_CHECKPOINT,
            "%s: offset 0: a header of %" PRIu64 " bytes in a file of %" PRIu64
            " (at most %d are read); is this a safetensors file?",
            reader->path, length, reader->bytes, HEADER_LIMIT);
    char *text = malloc(length + 1);
    if (!text)
        return error_memory(reader->error, "the header of the weights", length);
    status = read_at(reader, LENGTH_BYTES, text, length);
    if (status == STATUS_OK) {
        json_error_t problem;
        *header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
        if (!*header)
            status = error_set(reader->error, STATUS_CHECKPOINT, "%s: offset %d: header: %s",
                reader->path, LENGTH_BYTES + problem.position, problem.text);
        else if (!json_is_object(*header))
            status = error_set(reader->error, STATUS_CHECKPOINT,
                "%s: offset %d: the header is not a JSON object", reader->path, LENGTH_BYTES);
    }
    free(text);
    *data_start = LENGTH_BYTES + length;
    return status;
}

static enum status refuse(
    const struct reader *reader, const struct tensor *tensor, const char *problem) {
    char shape[64];
    if (tensor->is_bias)
        snprintf(shape, sizeof shape, "[%zu]", tensor->out);
    else
        snprintf(shape, sizeof shape, "[%zu, %zu]", tensor->out, tensor->in);
    return error_set(reader->error, STATUS_CHECKPOINT,
        "%s: tensor \"%s\": %s; the network needs F32 %s", reader->path, tensor->name, problem,
        shape);
}

/* Finds one tensor's place in the data, which is `data_bytes` long. */
static enum status find_tensor(
    const struct reader *reader, const json_t *header, size_t data_bytes, struct tensor *tensor) {
    const char *dtype;
    json_t *shape;
    json_int_t begin, end;
    json_error_t problem;
    json_t *entry = json_object_get(header, tensor->name);
    if (!entry)
        return refuse(reader, tensor, "is missing");
    if (json_unpack_ex(entry, &problem, JSON_STRICT, "{s:s, s:o, s:[I, I]}", "dtype", &dtype,
            "shape", &shape, "data_offsets", &begin, &end) != 0)
        return refuse(reader, tensor, problem.text);
    char found[128];
    char *dimensions = json_dumps(shape, JSON_ENCODE_ANY);
    snprintf(found, sizeof found, "is %.16s %.100s", dtype, dimensions ? dimensions : "");
    free(dimensions);
    if (strcmp(dtype, "F32") != 0)
        return refuse(reader, tensor, found);
    const json_int_t out = json_integer_value(json_array_get(shape, 0));
    const json_int_t in = tensor->is_bias ? 1 : json_integer_value(json_array_get(shape, 1));
    if (json_array_size(shape) != (tensor->is_bias ? 1 : 2) || out != (json_int_t)tensor->out ||
        in != (json_int_t)tensor->in)
        return refuse(reader, tensor, found);
    const json_int_t bytes = (json_int_t)tensor_bytes(tensor);
    if (begin < 0 || begin > (json_int_t)data_bytes - bytes || end != begin + bytes)
        return refuse(reader, tensor, "data_offsets that don't fit its shape and the file");
    tensor->begin = (size_t)begin;
    return STATUS_OK;
}

/* All tensors are there, nothing else is, and together they fill the data without overlap. */
static enum status find_tensors(const struct reader *reader, json_t *header, uint64_t data_start,
    struct tensor *tensors, size_t count, size_t data_bytes) {
    for (size_t t = 0; t < count; t++) {
        const enum status status = find_tensor(reader, header, data_bytes, &tensors[t]);
        if (status != STATUS_OK)
            return status;
    }
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry) {
        bool known = strcmp(name, "__metadata__") == 0;
        for (size_t t = 0; t < count && !known; t++)
            known = strcmp(name, tensors[t].name) == 0;
        if (!known)
            return error_set(reader->error, STATUS_CHECKPOINT,
                "%s: tensor \"%s\" is not of this network, whose %zu layers are named "
                "\"0.weight\", \"0.bias\" ... \"%zu.bias\"; see --layers",
                reader->path, name, count / 2, count - 2);
    }
    if (reader->bytes - data_start != data_bytes)
        return error_set(reader->error, STATUS_CHECKPOINT,
            "%s: offset %" PRIu64 ": %" PRIu64 " bytes of data; the network's tensors have %zu",
            reader->path, data_start, reader->bytes - data_start, data_bytes);
    for (size_t t = 0; t < count; t++)
        for (size_t other = 0; other < t; other++)
            if (tensors[t].begin < tensors[other].begin + tensor_bytes(&tensors[other]) &&
                tensors[other].begin < tensors[t].begin + tensor_bytes(&tensors[t]))
                return error_set(reader->error, STATUS_CHECKPOINT,
                    "%s: tensors \"%s\" and \"%s\" overlap at offset %" PRIu64, reader->path,
                    tensors[other].name, tensors[t].name, data_start + tensors[t].begin);
    return STATUS_OK;
}

static enum status read_tensor(struct reader *reader, uint64_t data_start,
    const struct tensor *tensor, float *values, float *parameters) {
    const uint64_t start = data_start + tensor->begin;
    const enum status status = read_at(reader, start, values, tensor_bytes(tensor));
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < tensor->out * tensor->in; i++)
        if (!isfinite(values[i]))
            return error_set(reader->error, STATUS_CHECKPOINT,
                "%s: tensor \"%s\": offset %" PRIu64 ": the value %g is not finite", reader->path,
                tensor->name, start + i * sizeof *values, (double)values[i]);
    transpose(values, tensor->out, tensor->in, parameters + tensor->parameter);
    return STATUS_OK;
}

enum status checkpoint_load(
    const char *path, const struct network_shape *shape, float *parameters, struct error *error) {
    struct reader reader = {.path = path, .descriptor = -1, .error = error};
    const size_t count = 2 * shape->layers;
    json_t *header = NULL;
    uint64_t data_start = 0;
    size_t data_bytes;
    struct tensor *tensors = make_tensors(shape, &data_bytes);
    float *values = malloc(data_bytes);
    enum status status = tensors && values ? open_reader(&reader)
                                           : error_memory(error, "reading the weights", data_bytes);
    if (status == STATUS_OK)
        status = read_header(&reader, &header, &data_start);
    if (status == STATUS_OK)
        status = find_tensors(&reader, header, data_start, tensors, count, data_bytes);
    memset(parameters, 0, network_parameters_length(shape) * sizeof *parameters);
    for (size_t t = 0; t < count && status == STATUS_OK; t++)
        status = read_tensor(&reader, data_start, &tensors[t], values, parameters);
    if (reader.descriptor >= 0)
        close(reader.descriptor);
    json_decref(header);
    free(tensors);
    free(values);
    return status;
}
