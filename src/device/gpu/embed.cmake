# Writes OUTPUT, a C file that holds the text of each of FILES (a list) and kernel_text(), which
# gives it by the file's name. Arrays of characters, because string literals have a limit to their
# length; character constants, because a char may have no room for 0x80.
set(arrays "")
set(table "")
set(index 0)
foreach(file IN LISTS FILES)
  cmake_path(GET file FILENAME name)
  file(READ "${file}" bytes HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  string(REGEX REPLACE "([^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,)"
    "\\1\n    " bytes "${bytes}")
  string(APPEND arrays "\nstatic const char text_${index}[] = {\n    ${bytes}'\\0'};\n")
  string(APPEND table "\n    {\"${name}\", text_${index}},")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE "${OUTPUT}" "/* Made by embed.cmake. */
#include \"device/gpu/kernel_text.h\"

#include <stddef.h>
#include <string.h>
${arrays}
static const struct {
    const char *name, *text;
} texts[] = {${table}
};

const char *kernel_text(const char *name) {
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
        if (strcmp(texts[t].name, name) == 0)
            return texts[t].text;
    return NULL;
}
")
