# Builds for 64-bit ARM with Debian's cross compiler, and has CTest run what was built in an emulator.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
# As the compiler, without further flags, it knows no more than the architecture's first version: what a
# Raspberry Pi 4 has.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -cpu cortex-a72 -L /usr/aarch64-linux-gnu)

get_filename_component(libraries "${CMAKE_CURRENT_LIST_DIR}/../../build/aarch64-libraries" ABSOLUTE)
if(NOT EXISTS "${libraries}")
  message(FATAL_ERROR "${libraries} is missing: tests/aarch64/libraries makes it.")
endif()
set(CMAKE_FIND_ROOT_PATH "${libraries}" /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
