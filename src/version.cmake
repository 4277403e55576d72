# Writes OUTPUT (version.c) with the commit of SOURCE_DIR, at every build; touches it only when
# something has changed. A commit with local changes is marked "-dirty"; results are no part of it.
execute_process(
  COMMAND git -C ${SOURCE_DIR} describe --always --abbrev=12 --exclude=*
  OUTPUT_VARIABLE COMMIT RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(
  COMMAND git -C ${SOURCE_DIR} diff --quiet HEAD -- . ":(exclude)results"
  RESULT_VARIABLE changed OUTPUT_QUIET ERROR_QUIET)
if(failed)
  set(COMMIT unknown)
elseif(changed)
  string(APPEND COMMIT "-dirty")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT [[
#include "version.h"

const char *const version_number = "@VERSION@";
const char *const version_commit = "@COMMIT@";
const char *const version_compiler = "@COMPILER@";
const char *const version_flags = "@FLAGS@";
]] @ONLY)
