#include "report/words.h"

#include "system/text.h"

const char *layers_text(const struct network_shape *shape, char *text, size_t size) {
    text[0] = '\0';
    for (size_t l = 0; l <= shape->layers; l++)
        text_append(text, size, "%s%zu", l > 0 ? "-" : "", shape->widths[l]);
    return text;
}

const char *limits_text(unsigned limits, const char *between, char text[64]) {
    text[0] = '\0';
    for (size_t l = 0; clock_limit_names[l]; l++)
        if (limits >> l & 1)
            text_append(text, 64, "%s%s", text[0] ? between : "", clock_limit_names[l]);
    return text;
}
