# The work of tools/fetch-cifar10: URL or FILE, with checksum SHA256, to the folder DIR. On standard
# output it says where the data set is, "offline" when it can't be fetched, and nothing when something
# is wrong.
cmake_policy(VERSION 3.25)

get_filename_component(dir "${DIR}" ABSOLUTE BASE_DIR "$ENV{PWD}")
set(work "${dir}.partial") # beside the destination: renaming it is one step
set(mark "${work}/made-by-fetch-cifar10") # without it, the folder is somebody else's
string(TOLOWER "${SHA256}" SHA256)
set(names data_batch_1.bin data_batch_2.bin data_batch_3.bin data_batch_4.bin data_batch_5.bin
  test_batch.bin)
set(bytes 30730000)
set(limit 200000000) # of the archive, uncompressed

# Prints a line, on standard error or (STATUS) standard output. What rules a terminal or turns text around
# becomes "?", as the trainer shows it: U+0000 to U+001F, U+007F to U+009F, and directions and ends of lines.
function(say text)
  string(ASCII 1 first)
  string(ASCII 31 last)
  string(ASCII 127 delete)
  string(REGEX REPLACE "[${first}-${last}${delete}]" "?" text "${text}")
  foreach(code RANGE 128 159)
    string(ASCII 194 ${code} letter)
    string(REPLACE "${letter}" "?" text "${text}")
  endforeach()
  foreach(bytes "216 156" "226 128 142" "226 128 143" "226 128 168" "226 128 169" "226 128 170" "226 128 171"
      "226 128 172" "226 128 173" "226 128 174" "226 129 166" "226 129 167" "226 129 168" "226 129 169")
    separate_arguments(bytes)
    string(ASCII ${bytes} letter)
    string(REPLACE "${letter}" "?" text "${text}")
  endforeach()
  message(${ARGN} "${text}")
endfunction()

# Ends the script, which has then said nothing on standard output. A macro, for its return().
macro(fail text)
  file(REMOVE_RECURSE "${work}")
  say("fetch-cifar10: ${text}")
  return()
endmacro()

# The names in `folder`, whatever its own has in it that means something to a pattern.
function(list_folder folder result)
  string(REGEX REPLACE "([][*?])" "[\\1]" pattern "${folder}")
  file(GLOB found RELATIVE "${folder}" "${pattern}/*" "${pattern}/.*")
  list(REMOVE_ITEM found . ..)
  set(${result} "${found}" PARENT_SCOPE)
endfunction()

# Whether all files are in `folder` (or links to them, where `links` allows it): sets `result` to "" or
# to what is wrong.
function(check_files folder links result)
  set(wrong "")
  foreach(name IN LISTS names)
    set(path "${folder}/${name}")
    if(NOT EXISTS "${path}" OR IS_DIRECTORY "${path}" OR (IS_SYMLINK "${path}" AND NOT links))
      set(wrong "${path} is missing or not a file")
    else()
      file(SIZE "${path}" size)
      if(NOT size EQUAL bytes)
        set(wrong "${path} has ${size} bytes, expected ${bytes}")
      endif()
    endif()
    if(wrong)
      break()
    endif()
  endforeach()
  set(${result} "${wrong}" PARENT_SCOPE)
endfunction()

list_folder("${dir}" present)
if(EXISTS "${dir}" AND (present OR NOT IS_DIRECTORY "${dir}")) # an empty folder is as good as none
  check_files("${dir}" TRUE wrong)
  if(wrong)
    say("fetch-cifar10: ${wrong}: move ${dir} away, or name another --dir")
  else()
    say("CIFAR-10 is in ${dir}" STATUS)
  endif()
  return()
endif()

if(IS_SYMLINK "${work}" OR (EXISTS "${work}" AND NOT EXISTS "${mark}"))
  say("fetch-cifar10: ${work} is in the way, and not from here: move it away, or name another --dir")
  return()
endif()
file(MAKE_DIRECTORY "${work}")
file(TOUCH "${mark}")
file(LOCK "${work}" DIRECTORY TIMEOUT 0 RESULT_VARIABLE locked) # until this script ends
if(NOT locked STREQUAL 0)
  say("fetch-cifar10: another run is fetching to ${dir} (${locked})")
  return()
endif()
file(REMOVE_RECURSE "${work}/files" "${work}/archive.tar.gz") # what an interrupted run left

# What follows knows the archive by a name that is ASCII: in some locales CMake finds nothing in one
# whose path is not, and says nothing.
if(FILE)
  get_filename_component(archive "${FILE}" ABSOLUTE BASE_DIR "$ENV{PWD}")
  if(NOT EXISTS "${archive}" OR IS_DIRECTORY "${archive}")
    fail("${archive} is not a file")
  endif()
  file(CREATE_LINK "${archive}" "${work}/archive.tar.gz" RESULT failed SYMBOLIC)
  if(NOT failed STREQUAL 0)
    fail("can't link ${archive} from ${work}: ${failed}")
  endif()
else()
  set(archive "${URL}")
  say("fetching ${URL}")
  file(DOWNLOAD "${URL}" "${work}/archive.tar.gz" STATUS status INACTIVITY_TIMEOUT 30 TLS_VERIFY ON)
  list(GET status 0 code)
  list(GET status 1 reason)
  string(REPLACE "\"" "" reason "${reason}")
  if(NOT code EQUAL 0)
    message(STATUS "offline")
    fail("can't fetch ${URL}: ${reason}; see --url for a mirror, --file for an archive at hand")
  endif()
endif()

file(SHA256 "${work}/archive.tar.gz" sum)
if(NOT sum STREQUAL SHA256)
  fail("${archive} has the SHA-256 ${sum}, expected ${SHA256}: refused")
endif()

# A small archive may expand to more than a disk holds. So it is expanded to nowhere first, no further
# than a good one goes; then its entries are listed, for a limited time, as there may be a second layer of
# compression; and it is unpacked only if they are right.
execute_process(COMMAND gzip -dc archive.tar.gz COMMAND head -c ${limit} COMMAND wc -c
  WORKING_DIRECTORY "${work}" OUTPUT_VARIABLE expanded RESULTS_VARIABLE results ERROR_QUIET)
list(GET results 0 failed)
string(STRIP "${expanded}" expanded)
if(expanded STREQUAL limit)
  fail("${archive} expands to ${limit} bytes or more, which is not CIFAR-10: refused")
elseif(NOT failed STREQUAL 0)
  fail("${archive} is not an archive (tar.gz), or not a whole one")
endif()
set(ENV{LC_ALL} C) # for the list's dates
execute_process(COMMAND ${CMAKE_COMMAND} -E tar tvf archive.tar.gz WORKING_DIRECTORY "${work}"
  OUTPUT_VARIABLE listing RESULT_VARIABLE failed ERROR_QUIET TIMEOUT 60)
if(NOT failed STREQUAL 0)
  fail("${archive} is not an archive (tar.gz), or not a whole one")
endif()
string(LENGTH "${listing}" length)
if(length GREATER 20000)
  fail("${archive} holds too many entries, or names too long, for CIFAR-10: refused")
endif()

# The one folder, which can be removed again, and plain files in it that can be read: each once, the data
# files of their size and the others small. A name with a line break may pass for two entries; but no part
# of a line can lead out of the folder, and what is unpacked then differs from the list.
string(REGEX REPLACE "[^A-Za-z0-9 ,._/:>\n-]" "?" listing "${listing}") # not needed, nor safe to show
string(REGEX MATCHALL "[^\n]+" entries "${listing}")
set(owner "[^/]*[^/ ]") # with its group; names may have spaces, and what can lead astray a slash
set(date "[ 0-9][0-9] [A-Z][a-z][a-z] +[0-9:]+")
set(seen "")
foreach(entry IN LISTS entries)
  if(entry MATCHES
      "^-r[-rwx]+ +[0-9]+ ${owner} +([0-9]+) ${date} cifar-10-batches-bin/([A-Za-z0-9_][A-Za-z0-9_.]*)$")
    set(size "${CMAKE_MATCH_1}")
    set(name "${CMAKE_MATCH_2}")
    if(name IN_LIST seen)
      fail("${archive} holds ${name} twice: refused")
    elseif(name IN_LIST names AND NOT size EQUAL bytes)
      fail("${archive} holds ${name} of ${size} bytes, expected ${bytes}: refused")
    elseif(NOT name IN_LIST names AND size GREATER 65536)
      fail("${archive} holds ${name} of ${size} bytes, which is not part of CIFAR-10: refused")
    endif()
    list(APPEND seen "${name}")
  elseif(NOT entry MATCHES "^drwx[-rwxsStT]+ +[0-9]+ ${owner} +0 ${date} cifar-10-batches-bin/$")
    fail("${archive} holds '${entry}', which is not part of CIFAR-10: refused")
  endif()
endforeach()
file(MAKE_DIRECTORY "${work}/files")
execute_process(COMMAND ${CMAKE_COMMAND} -E tar xf ../archive.tar.gz WORKING_DIRECTORY "${work}/files"
  RESULT_VARIABLE failed ERROR_VARIABLE reason)
if(NOT failed STREQUAL 0)
  string(REGEX REPLACE "\n.*" "" reason "${reason}")
  fail("can't unpack ${archive}: ${reason}")
endif()
check_files("${work}/files/cifar-10-batches-bin" FALSE wrong)
if(wrong)
  fail("${archive}: ${wrong}")
endif()
list_folder("${work}/files/cifar-10-batches-bin" unpacked)
list(SORT unpacked)
list(SORT seen)
if(NOT unpacked STREQUAL seen)
  fail("${archive} holds names that are not of CIFAR-10: refused")
endif()

file(RENAME "${work}/files/cifar-10-batches-bin" "${dir}" RESULT failed)
if(NOT failed STREQUAL 0)
  fail("can't rename to ${dir}: ${failed}")
endif()
file(REMOVE_RECURSE "${work}")
say("CIFAR-10 is in ${dir}" STATUS)
