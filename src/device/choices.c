#include "device/choices.h"

#include "system/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes the first lines of a text of choices, which the caller frees. NULL when memory is
 * refused. */
static char *make_head(const struct device_info *info, size_t *length) {
    const size_t size = strlen(info->kind) + sizeof info->name + sizeof info->library + 4;
    char *head = malloc(size);
    if (head)
        *length =
            (size_t)snprintf(head, size, "%s\n%s\n%s\n", info->kind, info->name, info->library);
    return head;
}

char *device_choices(const struct device *device) {
    size_t head_length = 0;
    const size_t length = device->type->choices ? device->type->choices(device, NULL, 0) : 0;
    if (length == 0)
        return calloc(1, 1);
    char *head = make_head(&device->info, &head_length);
    char *text = head ? realloc(head, head_length + length + 1) : NULL;
    if (text)
        device->type->choices(device, text + head_length, length + 1);
    else
        free(head);
    return text;
}

enum status choices_take_over(struct device *device, const char *choices, struct error *error) {
    device->earlier_choices = NULL;
    if (!choices || !*choices)
        return STATUS_OK;
    size_t length = 0;
    char *head = make_head(&device->info, &length);
    if (!head)
        return error_memory(error, "what an earlier run has chosen", strlen(choices));
    const bool same = strncmp(choices, head, length) == 0;
    free(head);
    if (!same) {
        device_warn(device,
            "the earlier run has chosen what multiplies matrices on another device, or with "
            "another library; it is chosen anew, and the last bits may differ");
        return STATUS_OK;
    }
    device->earlier_choices = strdup(choices + length);
    return device->earlier_choices
               ? STATUS_OK
               : error_memory(error, "what an earlier run has chosen", strlen(choices));
}

void choices_free(struct device *device) {
    free(device->earlier_choices);
    device->earlier_choices = NULL;
}

bool choices_find(const struct device *device, const char *what, char name[CHOICE_NAME]) {
    const size_t length = strlen(what);
    for (const char *line = device->earlier_choices; line && *line;
        line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, what, length) == 0 && line[length] == ' ') {
            snprintf(name, CHOICE_NAME, "%.*s", (int)strcspn(line + length + 1, "\n"),
                line + length + 1);
            return true;
        }
    return false;
}

void choices_miss(struct device *device, const char *name) {
    char shown[CHOICE_NAME]; /* the name comes from a file, so it may be anything */
    device_warn(device,
        "the earlier run has multiplied matrices by '%s', which is not there any more: the last "
        "bits may differ",
        utf8_show(name, true, shown, sizeof shown));
}
