#!/bin/sh
# Builds WiredTiger 11.3.1 as the library its users would build: release, no diagnostics, no Python, its own
# optimisation level. Needs pip, cmake, ninja and a C compiler; prints the environment for
# `cargo build --release --features wiredtiger`.
#
#     ./build-wiredtiger.sh DIRECTORY
set -eu
if [ $# -ne 1 ]; then
    echo "usage: $0 DIRECTORY (made if needed; source and build go there)" >&2
    exit 1
fi
mkdir -p "$1"
cd "$1"
directory=$(pwd)
if [ ! -f src/CMakeLists.txt ]; then
    pip download --quiet --no-binary :all: --no-deps wiredtiger==11.3.1
    mkdir -p src
    tar xzf wiredtiger-11.3.1.tar.gz -C src --strip-components=1
fi
# HAVE_DIAGNOSTIC, HAVE_UNITTEST: assertions and tests would be compiled into the library.
# ENABLE_STRICT: warnings of compilers newer than the source would be errors.
# ENABLE_TCMALLOC: every engine of the comparison uses the system's allocator.
cmake -S src -B build -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DHAVE_DIAGNOSTIC=0 -DHAVE_UNITTEST=0 -DENABLE_STRICT=0 -DENABLE_TCMALLOC=0 \
    -DENABLE_PYTHON=0 -DENABLE_STATIC=1 -DENABLE_SHARED=1 \
    -DENABLE_SNAPPY=0 -DENABLE_LZ4=0 -DENABLE_ZLIB=0 -DENABLE_ZSTD=0 >cmake.log
nice -n 10 ninja -C build libwiredtiger.a >ninja.log
echo "export WIREDTIGER_LIB_DIR=$directory/build WIREDTIGER_INCLUDE_DIR=$directory/build/include"
