#!/bin/sh
# Checks for what the build needs; installs libclang where it can, and says exactly what is missing where it can't.
set -eu

if ! command -v cargo >/dev/null 2>&1; then
    echo "cargo is missing. Install Rust 1.89 or later: https://rustup.rs" >&2
    exit 1
fi

# The very names that the build looks for: libclang-cpp.so, which comes with the compiler alone, is another library.
for place in /usr/lib/llvm-*/lib/libclang.so* /usr/lib/*/libclang.so* /usr/lib/*/libclang-[0-9]*.so* \
    /usr/lib64/libclang.so* /usr/lib64/libclang-[0-9]*.so* /opt/homebrew/opt/llvm/lib/libclang.dylib \
    "${LIBCLANG_PATH:-/nowhere}"/libclang*; do
    if [ -e "$place" ] && { command -v c++ >/dev/null 2>&1 || command -v clang++ >/dev/null 2>&1; }; then
        exit 0
    fi
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing clang, libclang-dev and g++, which RocksDB is compiled with"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq clang libclang-dev g++ >/dev/null
    exit 0
fi

cat >&2 <<'MISSING'
RocksDB is compiled with a C++ compiler and libclang, and one of them is missing. Install them with
    Debian, Ubuntu:  sudo apt-get install clang libclang-dev g++
    Fedora:          sudo dnf install clang clang-devel gcc-c++
    macOS:           brew install llvm && export LIBCLANG_PATH="$(brew --prefix llvm)/lib"
and run make again.
MISSING
exit 1
