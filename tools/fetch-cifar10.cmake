# The work of tools/fetch-cifar10: URL or FILE, with checksum SHA256, to the folder DIR. On standard
# output it says where the data set is, "offline" when it can't be fetched, and nothing when something
# is wrong.
cmake_policy(VERSION 3.25)

get_filename_component(dir "${DIR}" ABSOLUTE BASE_DIR "$ENV{PWD}")
set(work "${dir}.partial") # beside the destination: renaming it is one step
set(names data_batch_1.bin data_batch_2.bin data_batch_3.bin data_batch_4.bin data_batch_5.bin
  test_batch.bin)
set(bytes 30730000)

# Ends the script, which has then said nothing on standard output. A macro, for its return().
macro(fail text)
  file(REMOVE_RECURSE "${work}")
  file(REMOVE "${dir}.lock")
  message("fetch-cifar10: ${text}")
  return()
endmacro()

# Whether all files are in `folder` (or links to them, where `links` allows it): sets `result` to "" or to what is wrong.
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

file(GLOB present "${dir}/*")
if(EXISTS "${dir}" AND (present OR NOT IS_DIRECTORY "${dir}")) # an empty folder is as good as none
  check_files("${dir}" TRUE wrong)
  if(wrong)
    message("fetch-cifar10: ${wrong}: move ${dir} away, or name another --dir")
  else()
    message(STATUS "CIFAR-10 is in ${dir}")
  endif()
  return()
endif()

get_filename_component(parent "${dir}" DIRECTORY)
file(MAKE_DIRECTORY "${parent}")
file(LOCK "${dir}.lock" TIMEOUT 0 RESULT_VARIABLE locked) # until this script ends
if(NOT locked STREQUAL 0)
  message("fetch-cifar10: another run is fetching to ${dir} (${locked})")
  return()
endif()
file(REMOVE_RECURSE "${work}") # what an interrupted run left
file(MAKE_DIRECTORY "${work}")

if(FILE)
  get_filename_component(archive "${FILE}" ABSOLUTE BASE_DIR "$ENV{PWD}")
  if(NOT EXISTS "${archive}" OR IS_DIRECTORY "${archive}")
    fail("${archive} is not a file")
  endif()
else()
  set(archive "${work}/archive.tar.gz")
  message("fetching ${URL}")
  file(DOWNLOAD "${URL}" "${archive}" STATUS status INACTIVITY_TIMEOUT 30 TLS_VERIFY ON)
  list(GET status 0 code)
  list(GET status 1 reason)
  string(REPLACE "\"" "" reason "${reason}")
  if(NOT code EQUAL 0)
    message(STATUS "offline")
    fail("can't fetch ${URL}: ${reason}; see --url for a mirror, --file for an archive at hand")
  endif()
endif()

file(SHA256 "${archive}" sum)
if(NOT sum STREQUAL SHA256)
  fail("${archive} has the SHA-256 ${sum}, expected ${SHA256}: refused")
endif()

# Only plain files in the one folder are unpacked, whatever the archive may hold.
execute_process(COMMAND ${CMAKE_COMMAND} -E tar tf "${archive}"
  OUTPUT_VARIABLE listing RESULT_VARIABLE failed ERROR_QUIET)
if(failed)
  fail("${archive} is not an archive")
endif()
string(REGEX MATCHALL "[^\n]+" entries "${listing}")
foreach(entry IN LISTS entries)
  if(NOT entry MATCHES "^cifar-10-batches-bin/([A-Za-z0-9_][A-Za-z0-9_.]*)?$")
    fail("${archive} holds '${entry}', which is not part of CIFAR-10: refused")
  endif()
endforeach()
file(ARCHIVE_EXTRACT INPUT "${archive}" DESTINATION "${work}/files")
check_files("${work}/files/cifar-10-batches-bin" FALSE wrong)
if(wrong)
  fail("${archive}: ${wrong}")
endif()

file(RENAME "${work}/files/cifar-10-batches-bin" "${dir}" RESULT failed)
if(NOT failed STREQUAL 0)
  fail("can't rename to ${dir}: ${failed}")
endif()
file(REMOVE_RECURSE "${work}")
file(REMOVE "${dir}.lock")
message(STATUS "CIFAR-10 is in ${dir}")
