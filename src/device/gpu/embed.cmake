# Writes OUTPUT, a C file with the text of each of FILES (a list), and with kernel_text(), which
# gives a text by its file's name. A line '#include "NAME"' is replaced by the text of NAME, a file
# in the same folder, so that each text is complete. '#line' tells compilers which line of which
# file follows. A text is an array of characters, because the length of string literals is limited.
# The characters are constants like '\x80', because the number 0x80 may not fit into a char.

# read_whole(FILE): sets `text` to the text of FILE, with the files that it includes in their place.
function(read_whole file)
  cmake_path(GET file FILENAME name)
  cmake_path(GET file PARENT_PATH folder)
  file(READ "${file}" original)
  set(text "${original}")
  while(text MATCHES "(^|\n)(#include \"([^\"\n]+)\"\n)")
    set(line "${CMAKE_MATCH_2}")
    set(header "${CMAKE_MATCH_3}")
    file(READ "${folder}/${header}" included)
    string(FIND "${original}" "${line}" at)
    string(SUBSTRING "${original}" 0 ${at} before)
    string(REGEX MATCHALL "\n" lines "${before}")
    list(LENGTH lines number)
    math(EXPR number "${number} + 2")
    string(REPLACE "${line}" "#line 1 \"${header}\"\n${included}#line ${number} \"${name}\"\n"
      text "${text}")
  endwhile()
  set(text "${text}" PARENT_SCOPE)
endfunction()

set(arrays "")
set(table "")
set(index 0)
foreach(file IN LISTS FILES)
  cmake_path(GET file FILENAME name)
  read_whole("${file}")
  string(HEX "${text}" bytes)
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
