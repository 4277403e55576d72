#include "program/message.h"

#include "system/text.h"
#include "system/utf8.h"
#include "trainer/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_MAX = 2 * sizeof((struct error){0}.message) };

void message_print(const char *format, ...) {
    char text[MESSAGE_MAX], line[MESSAGE_MAX];
    /* Enough even if each letter were an end of line, followed by an indent. */
    char whole[3 * MESSAGE_MAX + 16];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    whole[0] = '\0';
    for (char *rest = text; whole[0] == '\0' || *rest;) {
        char *const start = rest;
        rest += strcspn(rest, "\n");
        if (*rest)
            *rest++ = '\0';
        text_append(whole, sizeof whole, "%s%s\n", whole[0] == '\0' ? "trainer: " : "  ",
            utf8_show(start, true, line, sizeof line));
    }
    fputs(whole, stderr);
}
