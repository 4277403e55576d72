# Writes OUTPUT (version.c) at every build, with the commit of SOURCE_DIR. The file is touched only when
# something has changed. Only a repository of this very source counts: a repository around it, in which a
# tarball was unpacked, does not know its commit. A commit with local changes is marked "-dirty"; changes in
# results/ don't count. Where there is no commit, WHY is the reason.
cmake_policy(VERSION 3.25)

# git(VARIABLE ARGUMENTS...): runs git, and sets VARIABLE to what it prints, `failed` to whether it failed, and
# WHY to the first line of its complaint.
macro(git variable)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E env --unset=GIT_DIR --unset=GIT_WORK_TREE --unset=GIT_INDEX_FILE
      git --no-optional-locks -C "${SOURCE_DIR}" ${ARGN}
    OUTPUT_VARIABLE ${variable} ERROR_VARIABLE complaint RESULT_VARIABLE failed
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_STRIP_TRAILING_WHITESPACE)
  string(REGEX REPLACE "\n.*" "" WHY "${complaint}")
endmacro()

set(COMMIT unknown)
find_program(GIT git)
if(NOT GIT)
  set(WHY "git is not installed")
else()
  git(top rev-parse --show-toplevel)
  if(NOT failed)
    file(REAL_PATH "${top}" top)
    file(REAL_PATH "${SOURCE_DIR}" here)
    if(NOT top STREQUAL here)
      set(failed TRUE)
      set(WHY "the repository around it, ${top}, is not its own")
    endif()
  endif()
  if(NOT failed)
    git(commit describe --always --abbrev=12 --exclude=*)
  endif()
  if(NOT failed)
    set(COMMIT "${commit}")
    git(changes diff --quiet HEAD -- . ":(exclude)results")
    if(failed)
      string(APPEND COMMIT "-dirty")
    endif()
    set(WHY "")
  elseif(WHY STREQUAL "")
    set(WHY "git: ${failed}")
  endif()
endif()

# Escapes the texts as C source needs them between quotes.
foreach(text VERSION COMMIT WHY COMPILER FLAGS)
  string(REPLACE "\\" "\\\\" ${text} "${${text}}")
  string(REPLACE "\"" "\\\"" ${text} "${${text}}")
  string(REGEX REPLACE "[\r\n]+" " " ${text} "${${text}}")
endforeach()
file(CONFIGURE OUTPUT "${OUTPUT}" CONTENT [[
#include "program/version.h"

const char *const version_number = "@VERSION@";
const char *const version_commit = "@COMMIT@";
const char *const version_unknown = "@WHY@";
const char *const version_compiler = "@COMPILER@";
const char *const version_flags = "@FLAGS@";
]] @ONLY)
